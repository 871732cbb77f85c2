//! A git server for tests: the real `git http-backend` behind a small HTTP server.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, Result};

/// A server of repositories over HTTP. It answers as long as the process lives.
#[derive(Debug)]
pub struct GitServer {
    address: String,
    folder: tempfile::TempDir,
    requests: Arc<AtomicUsize>,
}

impl GitServer {
    /// Starts one without repositories; a closed one lets only [`INSIDER`](crate::registry::INSIDER) in.
    pub fn start(is_closed: bool) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("pequod-git-")
            .tempdir()
            .map_err(Error::while_doing("no temporary folder"))?;
        let listener =
            TcpListener::bind("127.0.0.1:0").map_err(Error::while_doing("could not listen"))?;
        let address = listener
            .local_addr()
            .map_err(Error::while_doing("could not listen"))?
            .to_string();
        let requests = Arc::new(AtomicUsize::default());
        let (root, counter) = (folder.path().to_owned(), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::Relaxed);
                let root = root.clone();
                // Whoever hangs up early does not matter.
                std::thread::spawn(move || answer(stream, &root, is_closed));
            }
        });
        Ok(Self {
            address,
            folder,
            requests,
        })
    }

    /// `HOST:PORT`
    pub fn host(&self) -> &str {
        &self.address
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// How many connections there were.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Commits these files to a repository, which is made if it is not there, and tags the commit (again, if need
    /// be). Gives the commit.
    pub fn commit(&self, name: &str, tag: &str, files: &[(&str, &str)]) -> Result<String> {
        let folder = self.folder.path().join(name);
        if !folder.exists() {
            std::fs::create_dir_all(&folder)
                .map_err(Error::while_doing("could not make a repository"))?;
            git(&folder, &["init", "--quiet"])?;
            git(
                &folder,
                &["config", "uploadpack.allowAnySHA1InWant", "true"],
            )?;
        }
        for (path, text) in files {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(&folder);
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&path, text))
                .map_err(Error::while_doing("could not write a file"))?;
        }
        git(&folder, &["add", "."])?;
        git(&folder, &["commit", "--quiet", "--allow-empty", "-m", tag])?;
        git(&folder, &["tag", "--force", tag])?;
        git(&folder, &["rev-parse", "HEAD"])
    }
}

/// Runs git with an identity and without anybody's configuration.
fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .map_err(Error::while_doing("git cannot be run"))?;
    if !output.status.success() {
        return Err(Error::new(String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Answers one request and hangs up.
fn answer(stream: TcpStream, root: &Path, is_closed: bool) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    // `insider:let-me-in`
    let allowed = "Basic aW5zaWRlcjpsZXQtbWUtaW4=";
    if is_closed && header("authorization") != allowed {
        return stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"pequod\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    let mut words = request.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut body = Vec::new();
    if header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).unwrap_or_default();
            reader.by_ref().take(size + 2).read_to_end(&mut body)?;
            let kept = body.len().saturating_sub(2);
            body.truncate(kept);
            if size == 0 {
                break;
            }
        }
    } else {
        let size = header("content-length").parse().unwrap_or_default();
        reader.by_ref().take(size).read_to_end(&mut body)?;
    }
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path_info(root, path))
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&body)?;
    }
    let output = child.wait_with_output()?.stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, content) = output.split_at(end.map_or(0, |end| end + 4));
    let head = String::from_utf8_lossy(head);
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK");
    let kind = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("content-type:"))
        .unwrap_or("content-type: text/plain");
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    )?;
    stream.write_all(content)
}

/// `/shop/info/refs` as `/shop/.git/info/refs`: repositories have their files beside their history.
fn path_info(root: &Path, path: &str) -> String {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (name, rest) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let inner: PathBuf = root.join(name).join(".git");
    if inner.exists() {
        format!("/{name}/.git/{rest}")
    } else {
        path.to_owned()
    }
}
