//! What a model is told so that it writes a query, and how its answer is read: as a query or not at all.
//!
//! The grammar of [`super::words`] comes first and needs no model. Whatever a model says goes through [`super::parse`],
//! so the worst that a misled one can do is to ask something else, which everybody sees.

use super::Query;
use super::parse::parse;
use super::vocabulary::Vocabulary;

/// So many names of each sort are told at most.
const NAMES: usize = 200;
/// A longer answer is no query.
const ANSWER_BYTES: usize = 2048;

/// The instructions for a model that knows nothing of the fleet but its words.
pub fn instructions(vocabulary: &Vocabulary) -> String {
    let list = |names: &mut dyn Iterator<Item = String>| {
        let names: Vec<String> = names
            .take(NAMES)
            .map(|name| name.chars().filter(|c| !c.is_control()).collect())
            .collect();
        names.join(" ")
    };
    let kinds = list(
        &mut vocabulary
            .kinds
            .iter()
            .map(crate::observe::Served::full_name),
    );
    let clusters = list(&mut vocabulary.clusters.iter().cloned());
    let namespaces = list(&mut vocabulary.namespaces.iter().cloned());
    format!(
        "Translate a question about Kubernetes objects of several clusters into one query. Answer with the query alone, on \
         one line, without quotes around it and without explanation.\n\
         Terms are FIELD:VALUE, joined by a space, and all must hold. A comma separates alternatives, `*` stands for \
         anything, `-` before a term negates it. Values with a space stand in double quotes.\n\
         Fields: cluster, namespace, name, kind, group, health (Current, InProgress, Failed, Terminating, Unknown), reason \
         (CrashLoopBackOff, OOMKilled, ImagePullBackOff, Unschedulable, …), phase, label (key=value or key), condition \
         (Ready=False), owner (Kind/name), ready (none, partial, full, zero: replicas), image, about (database, cache, \
         queue, certificate, network, storage, backup, monitoring, secret, security, delivery, autoscaling).\n\
         age>1h and age<2d compare the time since an object was made, changed<10m since it changed. by:FIELD at the end \
         counts by a field. Words without a field are searched in everything; use them only when no field fits.\n\
         Examples:\n\
         failing pods in prod older than 1h → kind:Pod health:Failed cluster:*prod* age>1h\n\
         how many deployments have no ready replicas, by cluster → kind:Deployment ready:none by:cluster\n\
         Kinds: {kinds}\nClusters: {clusters}\nNamespaces: {namespaces}"
    )
}

/// The query of a model's answer, if it is one.
pub fn answered(text: &str) -> Option<Query> {
    if text.len() > ANSWER_BYTES {
        return None;
    }
    let line = text
        .lines()
        .map(|line| line.trim().trim_matches('`').trim())
        .find(|line| !line.is_empty() && !line.starts_with("```") && *line != "text")?;
    let line = line.strip_prefix("Query:").unwrap_or(line).trim();
    let query = parse(line).ok()?;
    // Prose is words to be searched, too: a query of a model has at least one exact term, and few words.
    (!query.terms.is_empty() && query.text.len() <= 4).then_some(query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::vocabulary::tests::fleet;

    #[test]
    fn a_query_is_found_in_what_models_say() {
        for text in [
            "kind:Pod health:Failed",
            "\n```\nkind:Pod health:Failed\n```\n",
            "`kind:Pod health:Failed`",
            "Query: kind:Pod health:Failed",
        ] {
            let query = answered(text).map(|query| query.to_string());
            assert_eq!(query.as_deref(), Some("kind:Pod health:Failed"), "{text}");
        }
    }

    #[test]
    fn prose_and_nonsense_are_no_query() {
        for text in [
            "",
            "I am sorry, I cannot answer questions about your cluster without kind:Pod data at hand today.",
            "nonsense:Pod",
            "kind:\"",
            "just words",
        ] {
            assert_eq!(answered(text), None, "{text}");
        }
        assert_eq!(
            answered(&format!("kind:Pod {}", "name:x ".repeat(1000))),
            None
        );
    }

    #[test]
    fn the_instructions_name_the_fleet_and_stay_short() {
        let mut fleet = fleet();
        fleet
            .clusters
            .extend((0..10_000).map(|at| format!("c{at}\n")));
        let text = instructions(&fleet);
        assert!(text.contains("certificates.cert-manager.io") && text.contains("payments"));
        assert!(text.len() < 8_000, "{}", text.len());
    }
}
