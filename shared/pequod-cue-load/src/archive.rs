//! Zip archives: what a CUE module is packed in when it is published.
//!
//! Only what such archives use: entries that are stored or deflated, found by the directory at the end. Sizes are
//! bounded before anything is unpacked, and again while it is; a name that stands there twice, or leads out of the
//! module, is refused, where general readers take the last one or leave names to their callers.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

/// Why an archive is refused. A sentence.
type Refused = String;

/// The most entries of an archive.
const MAX_ENTRIES: usize = 20_000;

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes([pair[0], pair[1]])))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes([four[0], four[1], four[2], four[3]])).ok()
}

/// The files of an archive by path. Together they may hold `limit` bytes.
///
/// # Errors
///
/// A sentence: the archive is broken, too large, packed in an unknown way, or names a file twice or outside of it.
pub fn unpack(bytes: &[u8], limit: usize) -> Result<BTreeMap<String, Arc<[u8]>>, Refused> {
    let broken = || "the archive is broken".to_owned();
    // The end of the directory stands in the last 22 bytes, before a comment of at most 64 KiB.
    let from = bytes.len().saturating_sub(22 + 65_535);
    let end = (from..=bytes.len().checked_sub(22).ok_or_else(broken)?)
        .rev()
        .find(|at| {
            bytes
                .get(*at..)
                .is_some_and(|rest| rest.starts_with(b"PK\x05\x06"))
        })
        .ok_or_else(broken)?;
    let count = u16_at(bytes, end + 10).ok_or_else(broken)?;
    let mut at = u32_at(bytes, end + 16).ok_or_else(broken)?;
    if count > MAX_ENTRIES {
        return Err(format!(
            "the archive holds {count} files; at most {MAX_ENTRIES} are read"
        ));
    }
    let mut files = BTreeMap::new();
    let mut left = limit;
    for _ in 0..count {
        let header = |offset: usize| u16_at(bytes, at + offset).ok_or_else(broken);
        if !bytes
            .get(at..)
            .is_some_and(|rest| rest.starts_with(b"PK\x01\x02"))
        {
            return Err(broken());
        }
        let method = header(10)?;
        let packed = u32_at(bytes, at + 20).ok_or_else(broken)?;
        let size = u32_at(bytes, at + 24).ok_or_else(broken)?;
        let (name_length, extra, comment) = (header(28)?, header(30)?, header(32)?);
        let local = u32_at(bytes, at + 42).ok_or_else(broken)?;
        let name = bytes
            .get(at + 46..at + 46 + name_length)
            .and_then(|name| std::str::from_utf8(name).ok())
            .ok_or_else(broken)?
            .to_owned();
        at += 46 + name_length + extra + comment;
        if name.ends_with('/') {
            continue;
        }
        if !is_plain(&name) {
            return Err(format!("the archive holds a file of the name {name:?}"));
        }
        if size > left {
            return Err(format!("the module is larger than {limit} bytes unpacked"));
        }
        let local_name = u16_at(bytes, local + 26).ok_or_else(broken)?;
        let local_extra = u16_at(bytes, local + 28).ok_or_else(broken)?;
        let start = local + 30 + local_name + local_extra;
        let data = bytes.get(start..start + packed).ok_or_else(broken)?;
        let content = match method {
            0 => data.to_vec(),
            8 => {
                let mut content = Vec::with_capacity(size.min(1 << 20));
                let mut inflated = flate2::read::DeflateDecoder::new(data).take(left as u64 + 1);
                inflated.read_to_end(&mut content).map_err(|_| broken())?;
                content
            }
            other => return Err(format!("{name} is packed in an unknown way ({other})")),
        };
        if content.len() > left {
            return Err(format!("the module is larger than {limit} bytes unpacked"));
        }
        if content.len() != size {
            return Err(broken());
        }
        left -= content.len();
        if files.insert(name.clone(), content.into()).is_some() {
            return Err(format!("the archive holds {name:?} twice"));
        }
    }
    Ok(files)
}

/// An archive of stored files, for [`unpack`]: it has no checksums, whoever keeps it has better ones.
pub fn pack<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let mut count = 0;
    // Larger ones are refused long before.
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let half = |value: usize| u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes();
    for (name, content) in files {
        count += 1;
        let local = out.len();
        let sizes = [word(content.len()), word(content.len())].concat();
        out.extend([b"PK\x03\x04".as_slice(), &[0; 14], &sizes].concat());
        out.extend([half(name.len()), half(0)].concat());
        out.extend([name.as_bytes(), content].concat());
        directory.extend([b"PK\x01\x02".as_slice(), &[0; 16], &sizes].concat());
        directory.extend([half(name.len()).as_slice(), &[0; 12], &word(local)].concat());
        directory.extend(name.as_bytes());
    }
    let (start, length) = (out.len(), directory.len());
    out.extend(directory);
    out.extend([b"PK\x05\x06".as_slice(), &[0; 4]].concat());
    out.extend([half(count), half(count)].concat());
    out.extend([word(length), word(start)].concat());
    out.extend(half(0));
    out
}

/// Whether a path stays in the module.
pub fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(files: &[(&str, &str)]) -> Vec<u8> {
        super::pack(files.iter().map(|(name, text)| (*name, text.as_bytes())))
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let files = unpack(&pack(&[("a.cue", "a: 1"), ("b/c.cue", "")]), 100).unwrap();
        assert_eq!(&*files["a.cue"], b"a: 1");
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn a_file_outside_the_module_is_refused() {
        let error = unpack(&pack(&[("../a.cue", "a: 1")]), 100).unwrap_err();
        assert!(error.contains("../a.cue"), "{error}");
        assert!(unpack(&pack(&[("/a.cue", "")]), 100).is_err());
    }

    #[test]
    fn a_name_that_stands_there_twice_is_refused() {
        let error = unpack(&pack(&[("a.cue", "a: 1"), ("a.cue", "a: 2")]), 100).unwrap_err();
        assert!(error.contains("\"a.cue\" twice"), "{error}");
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let error = unpack(&pack(&[("a", "12345"), ("b", "12345")]), 9).unwrap_err();
        assert!(error.contains("larger than 9 bytes"), "{error}");
    }

    #[test]
    fn no_cut_off_archive_is_a_panic() {
        let whole = pack(&[("a.cue", "a: 1"), ("b/c.cue", "x")]);
        for length in 0..whole.len() {
            // Whether it is read or refused, it comes back.
            let _ = unpack(&whole[..length], 100);
            let mut changed = whole.clone();
            changed[length] ^= 0xff;
            let _ = unpack(&changed, 100);
        }
    }
}
