//! Semantic versions with a `v`: `v1.2.3-rc.1`.

use std::cmp::Ordering;

/// A version, for comparison. Build metadata has no rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre_release: Vec<String>,
}

impl Version {
    /// Reads `v1`, `v1.2` or `v1.2.3-pre+build`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v')?;
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (core, pre_release) = match text.split_once('-') {
            Some((core, pre)) => (core, pre.split('.').map(ToOwned::to_owned).collect()),
            None => (text, Vec::new()),
        };
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for number in &mut numbers {
            let Some(part) = parts.next() else { break };
            let plain = part == "0" || !part.starts_with('0');
            *number = part.parse().ok().filter(|_| plain)?;
        }
        parts.next().is_none().then_some(Self {
            numbers,
            pre_release,
        })
    }

    /// `v1` of `v1.2.3`.
    pub fn major(text: &str) -> &str {
        text.split('.').next().unwrap_or(text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.pre_release.is_empty(), other.pre_release.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => {
                    let pairs = self.pre_release.iter().zip(&other.pre_release);
                    pairs
                        .map(|(a, b)| compare_part(a, b))
                        .find(|order| order.is_ne())
                        .unwrap_or_else(|| self.pre_release.len().cmp(&other.pre_release.len()))
                }
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Numbers before words, numbers by size.
fn compare_part(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_have_the_order_of_the_standard() {
        let ordered = [
            "v0.9.0",
            "v1.0.0-alpha",
            "v1.0.0-alpha.1",
            "v1.0.0-alpha.beta",
            "v1.0.0-rc.2",
            "v1.0.0-rc.11",
            "v1.0.0",
            "v1.2",
            "v1.10.0",
        ];
        for pair in ordered.windows(2) {
            assert!(
                Version::parse(pair[0]) < Version::parse(pair[1]),
                "{pair:?}"
            );
        }
        assert_eq!(Version::parse("1.0.0"), None);
        assert_eq!(Version::parse("v01.0.0"), None);
    }
}
