//! Questions in plain words, turned into an exact query without a model.
//!
//! A question is read from left to right; at each word the longest phrase that means something is taken: a state
//! ("not ready", "without replicas ready"), a kind by any of its names, a place ("in prod clusters", "in namespace
//! shop"), a time ("older than 1h", "in the last 2 days"), a label, a topic ("database-related"), a grouping ("by
//! cluster"). What is left are words to be searched. The same question over the same vocabulary always gives the same
//! query, and the query is shown, so that a wrong reading is seen and can be corrected.

use super::parse::seconds;
use super::vocabulary::Vocabulary;
use super::{Field, Query, Side, Term, Test};
use crate::concepts;
use crate::health::Health;
use crate::text::singular;

/// The query that a question means.
pub fn understand(question: &str, vocabulary: &Vocabulary) -> Query {
    let words: Vec<String> = question
        .split(|c: char| c.is_whitespace() || matches!(c, '?' | '!' | ',' | ';'))
        .map(|word| {
            word.trim_end_matches('.')
                .trim_matches(['"', '\''])
                .to_owned()
        })
        .filter(|word| !word.is_empty())
        .collect();
    let mut reader = Reader {
        words: &words,
        at: 0,
        negated: false,
        query: Query::default(),
        vocabulary,
    };
    while reader.at < words.len() {
        reader.step();
    }
    reader.finish()
}

struct Reader<'a> {
    words: &'a [String],
    at: usize,
    negated: bool,
    query: Query,
    vocabulary: &'a Vocabulary,
}

/// What a phrase means.
enum Meaning {
    Health(&'static [Health]),
    NotHealth(Health),
    Reason(&'static str),
    Phase(&'static str),
    Ready(&'static [&'static str]),
    Condition(&'static str),
}

/// Phrases for states, longer ones first where one begins another.
const STATES: &[(&str, Meaning)] = &[
    ("without any replicas ready", Meaning::Ready(&["none"])),
    ("without replicas ready", Meaning::Ready(&["none"])),
    ("without ready replicas", Meaning::Ready(&["none"])),
    ("without any ready replicas", Meaning::Ready(&["none"])),
    ("with no replicas ready", Meaning::Ready(&["none"])),
    ("with no ready replicas", Meaning::Ready(&["none"])),
    ("no ready replicas", Meaning::Ready(&["none"])),
    ("no replicas ready", Meaning::Ready(&["none"])),
    ("zero ready replicas", Meaning::Ready(&["none"])),
    (
        "with missing replicas",
        Meaning::Ready(&["none", "partial"]),
    ),
    ("missing replicas", Meaning::Ready(&["none", "partial"])),
    ("not fully available", Meaning::Ready(&["none", "partial"])),
    ("partially available", Meaning::Ready(&["partial"])),
    ("fully available", Meaning::Ready(&["full"])),
    ("scaled to zero", Meaning::Ready(&["zero"])),
    ("scaled down to zero", Meaning::Ready(&["zero"])),
    ("crash looping", Meaning::Reason("CrashLoopBackOff")),
    ("crash loop", Meaning::Reason("CrashLoopBackOff")),
    ("in crashloopbackoff", Meaning::Reason("CrashLoopBackOff")),
    ("crashlooping", Meaning::Reason("CrashLoopBackOff")),
    ("crash-looping", Meaning::Reason("CrashLoopBackOff")),
    ("crashloopbackoff", Meaning::Reason("CrashLoopBackOff")),
    (
        "killed because they ran out of memory",
        Meaning::Reason("OOMKilled"),
    ),
    ("ran out of memory", Meaning::Reason("OOMKilled")),
    ("out of memory", Meaning::Reason("OOMKilled")),
    ("oomkilled", Meaning::Reason("OOMKilled")),
    ("oom killed", Meaning::Reason("OOMKilled")),
    ("cannot pull image", Meaning::Reason("*ImagePull*")),
    ("cannot pull their image", Meaning::Reason("*ImagePull*")),
    ("cannot pull their images", Meaning::Reason("*ImagePull*")),
    ("image pull errors", Meaning::Reason("*ImagePull*")),
    ("image pull problems", Meaning::Reason("*ImagePull*")),
    ("imagepullbackoff", Meaning::Reason("*ImagePull*")),
    ("cannot be scheduled", Meaning::Reason("Unschedulable")),
    ("unschedulable", Meaning::Reason("Unschedulable")),
    ("unscheduled", Meaning::Reason("Unschedulable")),
    ("evicted", Meaning::Reason("Evicted")),
    ("not ready", Meaning::NotHealth(Health::Current)),
    ("not healthy", Meaning::NotHealth(Health::Current)),
    ("not running", Meaning::NotHealth(Health::Current)),
    ("not working", Meaning::NotHealth(Health::Current)),
    ("not ok", Meaning::NotHealth(Health::Current)),
    ("unready", Meaning::NotHealth(Health::Current)),
    ("unhealthy", Meaning::NotHealth(Health::Current)),
    ("with problems", Meaning::NotHealth(Health::Current)),
    ("with issues", Meaning::NotHealth(Health::Current)),
    ("with errors", Meaning::Health(&[Health::Failed])),
    ("problematic", Meaning::NotHealth(Health::Current)),
    ("problems", Meaning::NotHealth(Health::Current)),
    ("wrong", Meaning::NotHealth(Health::Current)),
    ("failing", Meaning::Health(&[Health::Failed])),
    ("failed", Meaning::Health(&[Health::Failed])),
    ("fail", Meaning::Health(&[Health::Failed])),
    ("broken", Meaning::Health(&[Health::Failed])),
    ("crashed", Meaning::Health(&[Health::Failed])),
    ("crashing", Meaning::Health(&[Health::Failed])),
    ("down", Meaning::Health(&[Health::Failed])),
    (
        "stuck",
        Meaning::Health(&[Health::InProgress, Health::Failed, Health::Terminating]),
    ),
    ("progressing", Meaning::Health(&[Health::InProgress])),
    ("in progress", Meaning::Health(&[Health::InProgress])),
    ("rolling out", Meaning::Health(&[Health::InProgress])),
    ("updating", Meaning::Health(&[Health::InProgress])),
    ("starting", Meaning::Health(&[Health::InProgress])),
    ("pending", Meaning::Phase("Pending")),
    ("unbound", Meaning::Phase("Pending")),
    ("terminating", Meaning::Health(&[Health::Terminating])),
    ("being deleted", Meaning::Health(&[Health::Terminating])),
    ("running", Meaning::Phase("Running")),
    ("completed", Meaning::Phase("Succeeded")),
    ("succeeded", Meaning::Phase("Succeeded")),
    ("healthy", Meaning::Health(&[Health::Current])),
    ("ready", Meaning::Health(&[Health::Current])),
    (
        "under memory pressure",
        Meaning::Condition("MemoryPressure=True"),
    ),
    (
        "under disk pressure",
        Meaning::Condition("DiskPressure=True"),
    ),
    ("memory pressure", Meaning::Condition("MemoryPressure=True")),
    ("disk pressure", Meaning::Condition("DiskPressure=True")),
];

/// Words that carry nothing by themselves.
const FILLER: &[&str] = &[
    "a",
    "all",
    "an",
    "and",
    "any",
    "anything",
    "are",
    "can",
    "cannot",
    "could",
    "do",
    "does",
    "everything",
    "every",
    "exist",
    "find",
    "fleet",
    "for",
    "get",
    "give",
    "has",
    "have",
    "how",
    "i",
    "is",
    "it",
    "list",
    "many",
    "me",
    "my",
    "of",
    "or",
    "our",
    "please",
    "resource",
    "resources",
    "object",
    "objects",
    "run",
    "show",
    "some",
    "that",
    "the",
    "their",
    "there",
    "these",
    "thing",
    "things",
    "they",
    "to",
    "us",
    "want",
    "was",
    "we",
    "were",
    "what",
    "where",
    "which",
    "who",
    "with",
    "across",
    "currently",
    "now",
    "right",
    "see",
    "tell",
    "about",
    "count",
    "number",
    "grouped",
];

impl Reader<'_> {
    fn word(&self, ahead: usize) -> String {
        self.words
            .get(self.at + ahead)
            .map(|word| word.to_lowercase())
            .unwrap_or_default()
    }

    fn raw(&self, ahead: usize) -> &str {
        self.words.get(self.at + ahead).map_or("", String::as_str)
    }

    fn phrase(&self, phrase: &str) -> Option<usize> {
        let count = phrase.split(' ').count();
        phrase
            .split(' ')
            .enumerate()
            .all(|(at, word)| self.word(at) == word)
            .then_some(count)
    }

    fn one_of(&self, phrases: &[&str]) -> Option<usize> {
        phrases.iter().find_map(|phrase| self.phrase(phrase))
    }

    fn take(&mut self, count: usize, test: Test) {
        self.at += count;
        let negated = std::mem::take(&mut self.negated);
        // Two kinds side by side are alternatives ("pods and jobs"); so are two states of one field.
        if !negated
            && let Test::Is(field, values) = &test
            && *field != Field::Label
            && let Some(Term {
                negated: false,
                test: Test::Is(_, before),
            }) = self.query.terms.iter_mut().find(
                |term| matches!(&term.test, Test::Is(asked, _) if asked == field && !term.negated),
            )
        {
            for value in values {
                if !before.contains(value) {
                    before.push(value.clone());
                }
            }
            return;
        }
        self.query.terms.push(Term { negated, test });
    }

    fn is(&mut self, count: usize, field: Field, value: impl Into<String>) {
        self.take(count, Test::Is(field, vec![value.into()]));
    }

    fn step(&mut self) {
        if self.state()
            || self.time()
            || self.grouping()
            || self.place()
            || self.pointed()
            // "network policies" are a kind, although a network alone is a topic.
            || self.kind(2..=3)
            || self.topic()
            || self.kind(1..=1)
        {
            return;
        }
        if let Some(count) = self.one_of(&[
            "other than",
            "except for",
            "except",
            "excluding",
            "without",
            "not in",
            "not",
            "no",
        ]) {
            self.negated = true;
            // "not in" keeps its "in" for the place that follows.
            self.at += if self.word(0) == "not" { 1 } else { count };
            return;
        }
        let word = self.word(0);
        if !FILLER.contains(&word.as_str()) && word != "in" && word != "on" && word != "by" {
            let raw = self.raw(0).to_owned();
            self.query.text.push(raw);
        }
        self.at += 1;
    }

    fn state(&mut self) -> bool {
        let longest = STATES
            .iter()
            .filter_map(|(phrase, meaning)| Some((self.phrase(phrase)?, meaning)))
            .max_by_key(|(count, _)| *count);
        let Some((count, meaning)) = longest else {
            return false;
        };
        // "running postgres": the image, not the phase.
        if count == 1 && self.word(0) == "running" && self.names_software(1) {
            return false;
        }
        let own = |values: &[&str]| {
            values
                .iter()
                .map(|&value| value.to_owned())
                .collect::<Vec<_>>()
        };
        match meaning {
            Meaning::Health(states) => {
                let states = states
                    .iter()
                    .map(|state| state.as_str().to_owned())
                    .collect();
                self.take(count, Test::Is(Field::Health, states));
            }
            Meaning::NotHealth(state) => {
                self.negated = !self.negated;
                self.is(count, Field::Health, state.as_str());
            }
            Meaning::Reason(reason) => self.is(count, Field::Reason, *reason),
            Meaning::Phase(phase) => self.is(count, Field::Phase, *phase),
            Meaning::Ready(values) => self.take(count, Test::Is(Field::Ready, own(values))),
            Meaning::Condition(condition) => self.is(count, Field::Condition, *condition),
        }
        true
    }

    /// Whether the word ahead is the name of some software, as in "running postgres".
    fn names_software(&self, ahead: usize) -> bool {
        let word = self.word(ahead);
        !word.is_empty()
            && !FILLER.contains(&word.as_str())
            && ![
                "in", "on", "by", "older", "younger", "newer", "longer", "since",
            ]
            .contains(&word.as_str())
            && self.vocabulary.kind_of_word(&word).is_none()
            && self.vocabulary.cluster_pattern(&word).is_none()
    }

    fn time(&mut self) -> bool {
        const OLDER: &[&str] = &[
            "older than",
            "running longer than",
            "longer than",
            "for more than",
            "for over",
            "more than",
            "created before",
            "over",
        ];
        const YOUNGER: &[&str] = &[
            "younger than",
            "newer than",
            "created in the last",
            "created within the last",
            "created in the past",
            "created since",
            "less than",
            "started in the last",
        ];
        const CHANGED: &[&str] = &[
            "changed in the last",
            "changed within the last",
            "changed in the past",
            "changed since",
            "updated in the last",
            "modified in the last",
            "in the last",
            "within the last",
            "in the past",
            "since",
            "changed within",
        ];
        for (phrases, side, created) in [
            (CHANGED, Side::Under, false),
            (OLDER, Side::Over, true),
            (YOUNGER, Side::Under, true),
        ] {
            let Some(count) = phrases
                .iter()
                .filter_map(|phrase| self.phrase(phrase))
                .max()
            else {
                continue;
            };
            let Some((length, used)) = self.length(count) else {
                continue;
            };
            self.take(
                count + used,
                if created {
                    Test::Age(side, length)
                } else {
                    Test::Changed(side, length)
                },
            );
            return true;
        }
        // "new pods", not "new relic".
        if self.word(0) == "new" && self.vocabulary.kind_of_word(&self.word(1)).is_some() {
            self.take(1, Test::Age(Side::Under, 3600));
            return true;
        }
        for (word, length) in [("today", 86_400), ("recently", 3600)] {
            if let Some(count) = self.one_of(&[&format!("created {word}"), &format!("new {word}")])
            {
                self.take(count, Test::Age(Side::Under, length));
                return true;
            }
            if let Some(count) = self.one_of(&[&format!("changed {word}"), word]) {
                self.take(count, Test::Changed(Side::Under, length));
                return true;
            }
        }
        false
    }

    /// A length of time from here on: `1h`, `2 hours`, `an hour`, `hour`.
    fn length(&self, ahead: usize) -> Option<(i64, usize)> {
        let unit = |word: &str| -> Option<i64> {
            Some(match singular(word).as_str() {
                "second" | "sec" => 1,
                "minute" | "min" => 60,
                "hour" | "hr" => 3600,
                "day" => 86_400,
                "week" => 604_800,
                "month" => 30 * 86_400,
                "year" => 365 * 86_400,
                _ => return None,
            })
        };
        let (first, second) = (self.word(ahead), self.word(ahead + 1));
        if let Some(length) = unit(&first) {
            return Some((length, 1));
        }
        let number = match first.as_str() {
            "a" | "an" | "one" => Some(1),
            "two" => Some(2),
            "three" => Some(3),
            "five" => Some(5),
            "ten" => Some(10),
            digits => digits
                .parse::<i64>()
                .ok()
                .filter(|number| (0..=1_000_000).contains(number)),
        };
        if let (Some(number), Some(unit)) = (number, unit(&second)) {
            return Some((number * unit, 2));
        }
        if first.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return seconds(&first).map(|length| (length, 1));
        }
        None
    }

    fn grouping(&mut self) -> bool {
        let before = self.one_of(&["grouped by", "group by", "broken down by", "by", "per"]);
        let Some(count) = before else { return false };
        let Some(field) = Field::named(&singular(&self.word(count))) else {
            return false;
        };
        self.query.by = Some(field);
        self.at += count + 1;
        true
    }

    fn place(&mut self) -> bool {
        let before = self
            .one_of(&[
                "in the", "on the", "in", "on", "from the", "from", "across", "of the",
            ])
            .unwrap_or(0);
        let (first, second) = (self.word(before), self.word(before + 1));
        let raw = |ahead: usize| self.raw(before + ahead).to_owned();
        if matches!(first.as_str(), "all" | "every" | "any" | "each")
            && matches!(singular(&second).as_str(), "cluster" | "namespace")
        {
            self.at += before + 2;
            return true;
        }
        if before > 0 && matches!(first.as_str(), "clusters" | "namespaces") {
            self.at += before + 1;
            return true;
        }
        // "except kube-system" needs no "in".
        if before == 0 && self.negated && self.vocabulary.namespaces.contains(&raw(0)) {
            self.is(1, Field::Namespace, raw(0));
            return true;
        }
        // Nor does "except staging".
        if before == 0 && self.negated && self.vocabulary.clusters.contains(&raw(0)) {
            self.is(1, Field::Cluster, raw(0));
            return true;
        }
        match (singular(&first).as_str(), singular(&second).as_str()) {
            // "in cluster eu-1", "cluster prod": a name follows
            ("cluster", _)
                if !second.is_empty() && self.vocabulary.cluster_pattern(&second).is_some() =>
            {
                let value = self
                    .vocabulary
                    .cluster_pattern(&raw(1))
                    .unwrap_or_else(|| raw(1));
                self.is(before + 2, Field::Cluster, value);
            }
            // "namespaces stuck terminating" are the kind, not a place.
            ("namespace" | "ns", _)
                if first != "namespaces"
                    && !second.is_empty()
                    && Field::named(&second).is_none() =>
            {
                self.is(before + 2, Field::Namespace, raw(1));
            }
            // "in prod clusters", "in the shop namespace"
            (_, "cluster")
                if !FILLER.contains(&first.as_str())
                    && (before > 0 || self.vocabulary.cluster_pattern(&first).is_some()) =>
            {
                let value = self
                    .vocabulary
                    .cluster_pattern(&raw(0))
                    .unwrap_or_else(|| format!("*{}*", raw(0)));
                self.is(before + 2, Field::Cluster, value);
            }
            (_, "namespace")
                if !FILLER.contains(&first.as_str()) && !matches!(first.as_str(), "by" | "per") =>
            {
                self.is(before + 2, Field::Namespace, raw(0));
            }
            _ if before > 0 && self.vocabulary.clusters.contains(&raw(0)) => {
                self.is(before + 1, Field::Cluster, raw(0));
            }
            _ if before > 0 && self.vocabulary.namespaces.contains(&raw(0)) => {
                self.is(before + 1, Field::Namespace, raw(0));
            }
            _ if before > 0
                && first.len() > 1
                && self.vocabulary.cluster_pattern(&first).is_some() =>
            {
                let value = self
                    .vocabulary
                    .cluster_pattern(&raw(0))
                    .unwrap_or_else(|| raw(0));
                self.is(before + 1, Field::Cluster, value);
            }
            _ => return false,
        }
        true
    }

    /// Things that are pointed at by a word before them: a name, a label, an image, an owner.
    fn pointed(&mut self) -> bool {
        if let Some(count) = self.one_of(&[
            "with the label",
            "with label",
            "with labels",
            "labelled",
            "labeled",
            "label",
        ]) {
            let value = self.raw(count).to_owned();
            if !value.is_empty() {
                self.is(count + 1, Field::Label, value.replace(':', "="));
                return true;
            }
        }
        if let Some(count) = self.one_of(&["named", "called", "with name", "with the name"]) {
            let value = self.raw(count).to_owned();
            if !value.is_empty() {
                self.is(count + 1, Field::Name, value);
                return true;
            }
        }
        if let Some(count) = self.one_of(&[
            "using image",
            "with image",
            "using the image",
            "with the image",
            "using",
            "running",
        ]) && self.names_software(count)
        {
            let value = self.raw(count).to_owned();
            self.is(count + 1, Field::Image, format!("*{value}*"));
            return true;
        }
        if let Some(count) = self.one_of(&["owned by", "belonging to", "managed by"])
            && self.raw(count).contains('/')
        {
            let value = self.raw(count).to_owned();
            self.is(count + 1, Field::Owner, value);
            return true;
        }
        let raw = self.raw(0);
        if let Some((key, value)) = raw.split_once('=')
            && !key.is_empty()
            && !value.is_empty()
        {
            let value = raw.to_owned();
            self.is(1, Field::Label, value);
            return true;
        }
        false
    }

    fn topic(&mut self) -> bool {
        // "database-related", "related to databases", "about databases"
        if let Some(topic) = self.word(0).strip_suffix("-related") {
            let found = concepts::named(topic);
            let topic = topic.to_owned();
            if let Some(concept) = found {
                self.is(1, Field::About, concept);
            } else {
                self.query.text.push(topic);
                self.at += 1;
            }
            return true;
        }
        if self.word(1) == "related"
            && let Some(concept) = concepts::named(&self.word(0))
        {
            self.is(2, Field::About, concept);
            return true;
        }
        if let Some(count) = self.one_of(&["related to", "about", "to do with", "concerning"])
            && let Some(concept) = concepts::named(&self.word(count))
        {
            self.is(count + 1, Field::About, concept);
            return true;
        }
        // "message queues"
        if let Some(concept) = concepts::named(&format!("{} {}", self.word(0), self.word(1))) {
            self.is(2, Field::About, concept);
            return true;
        }
        // A bare topic that is no kind: "databases in prod".
        let word = self.word(0);
        if self.vocabulary.kind_of_word(&word).is_none()
            && let Some(concept) = concepts::named(&word)
        {
            self.is(1, Field::About, concept);
            return true;
        }
        false
    }

    /// A kind by a name of so many words: "config maps", "persistent volume claims".
    fn kind(&mut self, lengths: std::ops::RangeInclusive<usize>) -> bool {
        for count in lengths.rev() {
            if self.at + count > self.words.len() {
                continue;
            }
            let joined: String = (0..count).map(|ahead| self.word(ahead)).collect();
            // "cluster" alone is a place far more often than a kind of that name.
            if matches!(
                singular(&joined).as_str(),
                "cluster" | "namespace" | "event"
            ) && count == 1
                && self.word(0) != "namespaces"
            {
                continue;
            }
            if let Some(kind) = self.vocabulary.kind_of_word(&joined) {
                let kind = kind.to_owned();
                self.is(count, Field::Kind, kind);
                return true;
            }
        }
        false
    }

    fn finish(mut self) -> Query {
        // Kinds first: they say what the answer is a list of.
        self.query
            .terms
            .sort_by_key(|term| !matches!(term.test, Test::Is(Field::Kind, _)));
        self.query
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::tests::fleet;
    use super::*;

    #[test]
    fn questions_become_exact_queries() {
        let fleet = fleet();
        for (question, query) in [
            (
                "failing pods in prod clusters older than 1h",
                "kind:Pod health:Failed cluster:*prod* age>1h",
            ),
            ("all database-related resources", "about:database"),
            (
                "deployments without replicas ready by cluster",
                "kind:Deployment ready:none by:cluster",
            ),
            (
                "show me all failing pods across clusters",
                "kind:Pod health:Failed",
            ),
            ("what is not ready in eu-2?", "-health:Current cluster:eu-2"),
            (
                "pods in CrashLoopBackOff in namespace shop",
                "kind:Pod reason:CrashLoopBackOff namespace:shop",
            ),
            (
                "pods and jobs in the payments namespace",
                "kind:Pod,Job namespace:payments",
            ),
            ("pods not in kube-system", "kind:Pod -namespace:kube-system"),
            (
                "pods labelled app=web created in the last 2 hours",
                "kind:Pod label:app=web age<2h",
            ),
            (
                "statefulsets running postgres",
                "kind:StatefulSet image:*postgres*",
            ),
            (
                "running pods in staging",
                "kind:Pod phase:Running cluster:staging",
            ),
            ("everything changed in the last 10 minutes", "changed<10m"),
            ("how many pods per namespace", "kind:Pod by:namespace"),
            (
                "pvc pending for more than a day",
                "kind:PersistentVolumeClaim phase:Pending age>1d",
            ),
            (
                "certificates that are not ready",
                "kind:Certificate -health:Current",
            ),
            ("payment gateway timeouts", "payment gateway timeouts"),
            ("databases in prod", "about:database cluster:*prod*"),
            ("message queues in prod", "about:queue cluster:*prod*"),
            (
                "network policies in shop",
                "kind:NetworkPolicy namespace:shop",
            ),
            ("network problems", "about:network -health:Current"),
            (
                "persistent volume claims named data-0",
                "kind:PersistentVolumeClaim name:data-0",
            ),
            (
                "unhealthy deployments except kube-system",
                "kind:Deployment -health:Current -namespace:kube-system",
            ),
        ] {
            assert_eq!(
                understand(question, &fleet).to_string(),
                query,
                "{question}"
            );
        }
    }

    #[test]
    fn what_is_shown_can_be_used_again() {
        let fleet = fleet();
        for question in [
            "pods named \"a:b\" labelled x=y",
            "why is -foo broken",
            "a b:c <d> \"e",
            "in in by by not not",
        ] {
            let query = understand(question, &fleet);
            assert_eq!(
                super::super::parse::parse(&query.to_string()).as_ref(),
                Ok(&query),
                "{question}"
            );
        }
    }
}
