//! An OCI registry in memory for scripts: serves the modules of their `_registry` folders.
//!
//! Reads only, over plain HTTP, one connection after the other. It ends with the process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use pequod_cue_load::archive;
use sha2::{Digest as _, Sha256};

/// Contents by path: `/v2/NAME/manifests/TAG`, `/v2/NAME/blobs/DIGEST`.
type Contents = BTreeMap<String, (String, Vec<u8>)>;

/// Serves a folder of modules under a prefix; gives the address.
pub(super) fn serve(folder: &Path, prefix: &str) -> io::Result<String> {
    let mut contents = Contents::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        // `example.com_e_v0.0.1`
        if let Some((module, version)) = name.rsplit_once("_v")
            && path.is_dir()
        {
            let base = module.replace('_', "/");
            let repository = if prefix.is_empty() {
                base
            } else {
                format!("{prefix}/{base}")
            };
            add(&mut contents, &repository, &format!("v{version}"), &path)?;
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let contents = Arc::new(contents);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let contents = contents.clone();
            // Whoever hangs up early does not matter.
            thread::spawn(move || answer(stream, &contents));
        }
    });
    Ok(address)
}

fn add(contents: &mut Contents, repository: &str, tag: &str, folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    gather(folder, "", &mut files)?;
    let blob = archive::pack(files.iter().map(|(name, content)| (&**name, &**content)));
    let digest = digest(&blob);
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "layers": [{"mediaType": "application/zip", "digest": digest, "size": blob.len()}],
    });
    let kind = "application/vnd.oci.image.manifest.v1+json".to_owned();
    contents.insert(
        format!("/v2/{repository}/manifests/{tag}"),
        (kind, manifest.to_string().into_bytes()),
    );
    contents.insert(
        format!("/v2/{repository}/blobs/{digest}"),
        ("application/octet-stream".to_owned(), blob),
    );
    Ok(())
}

fn gather(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let full = format!("{prefix}{name}");
        if path.is_dir() {
            gather(&path, &format!("{full}/"), files)?;
        } else {
            files.push((full, fs::read(&path)?));
        }
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

fn answer(stream: TcpStream, contents: &Contents) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let missing = (
            "application/json".to_owned(),
            br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not there"}]}"#.to_vec(),
        );
        let (status, (kind, body)) = match contents.get(path) {
            Some(content) => ("200 OK", content),
            None => ("404 Not Found", &missing),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
    }
}
