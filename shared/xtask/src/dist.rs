//! `cargo xtask dist`: the release of this platform.
//!
//! One archive a plugin, its checksum, and the krew manifest that names both; the archives are the same bytes for the
//! same binaries (fixed order, owners and times). Other platforms run the same command in the release's CI, and
//! `--merge` joins the manifests.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use pequod_cue_yaml::{Node, Value, emit};
use pequod_testkit::{Error, Result, workspace_root};
use sha2::{Digest as _, Sha256};

/// A plugin as krew shows it.
struct Plugin {
    name: &'static str,
    short: &'static str,
    long: &'static str,
}

const PLUGINS: &[Plugin] = &[
    Plugin {
        name: "transform",
        short: "Apply a platform written in CUE as a graph of objects",
        long: "Renders a Transform with its CUE module into a dependency graph of Kubernetes\n\
               objects; previews, applies, watches, repairs and removes it.\n",
    },
    Plugin {
        name: "solution",
        short: "See what an application is, who changed it and how it stands",
        long: "Lists applications as one object each: members, health, and the proven author of\n\
               the last change.\n",
    },
];

/// Where krew finds the archives.
const RELEASES: &str = "https://github.com/pequod-io/pequod/releases/download";
const HOMEPAGE: &str = "https://github.com/pequod-io/pequod";

/// Builds the plugins for release and writes archives and checksums to `dist/`, manifests to `krew-manifests/`.
///
/// # Errors
/// A build that fails, or a file that cannot be written.
pub(crate) fn run() -> Result<()> {
    let root = workspace_root();
    let version = env!("CARGO_PKG_VERSION");
    build()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let dist = root.join("dist");
    let manifests = root.join("krew-manifests");
    for folder in [&dist, &manifests] {
        fs::create_dir_all(folder).map_err(Error::while_doing("could not make a folder"))?;
    }
    let license = read(&root.join("LICENSE"))?;
    let mut sums = String::new();
    for plugin in PLUGINS {
        let program = format!("kubectl-{}", plugin.name);
        let binary = read(&target.join("release").join(&program))?;
        let name = format!("{program}_v{version}_{}_{}.tar.gz", os(), arch());
        let archive = archive(&[
            (program.clone(), 0o755, binary),
            (
                format!("kubectl_complete-{}", plugin.name),
                0o755,
                completion_shim(plugin.name),
            ),
            ("LICENSE".to_owned(), 0o644, license.clone()),
        ])?;
        let digest = hex(&Sha256::digest(&archive));
        write(&dist.join(&name), &archive)?;
        sums.extend([digest.as_str(), "  ", &name, "\n"]);
        let manifest = manifest(plugin, version, &name, &digest);
        write(
            &manifests.join(format!("{}.yaml", plugin.name)),
            manifest.as_bytes(),
        )?;
        println!("dist: {name} ({} kB)", archive.len() / 1000);
    }
    write(&dist.join("SHA256SUMS"), sums.as_bytes())
}

fn build() -> Result<()> {
    let mut command = pequod_testkit::cargo();
    command.args(["build", "--release", "--locked"]);
    for plugin in PLUGINS {
        command.args(["--package", &format!("kubectl-{}", plugin.name)]);
    }
    let status = command
        .status()
        .map_err(Error::while_doing("could not run cargo"))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::new("the plugins do not build for release"))
    }
}

/// kubectl asks a program of this name for a plugin's completions (KEP-3137).
fn completion_shim(plugin: &str) -> Vec<u8> {
    format!("#!/bin/sh\nexec \"$(dirname \"$0\")/kubectl-{plugin}\" __complete \"$@\"\n")
        .into_bytes()
}

fn archive(entries: &[(String, u32, Vec<u8>)]) -> Result<Vec<u8>> {
    let failed = |error| Error::while_doing("could not write an archive")(error);
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, mode, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder
            .append_data(&mut header, name, content.as_slice())
            .map_err(failed)?;
    }
    builder
        .into_inner()
        .and_then(GzEncoder::finish)
        .map_err(failed)
}

fn manifest(plugin: &Plugin, version: &str, archive: &str, digest: &str) -> String {
    let text = |text: &str| Node::from(Value::String(text.to_owned()));
    let map = |fields: Vec<(&str, Node)>| {
        Node::from(Value::Mapping(
            fields
                .into_iter()
                .map(|(key, node)| (key.into(), node))
                .collect(),
        ))
    };
    let platform = map(vec![
        (
            "selector",
            map(vec![(
                "matchLabels",
                map(vec![("os", text(os())), ("arch", text(arch()))]),
            )]),
        ),
        ("uri", text(&format!("{RELEASES}/v{version}/{archive}"))),
        ("sha256", text(digest)),
        ("bin", text(&format!("kubectl-{}", plugin.name))),
    ]);
    let manifest = map(vec![
        (
            "apiVersion",
            text("krew.googlecontainertools.github.com/v1alpha2"),
        ),
        ("kind", text("Plugin")),
        ("metadata", map(vec![("name", text(plugin.name))])),
        (
            "spec",
            map(vec![
                ("version", text(&format!("v{version}"))),
                ("homepage", text(HOMEPAGE)),
                ("shortDescription", text(plugin.short)),
                ("description", text(plugin.long)),
                ("platforms", Value::Sequence(vec![platform]).into()),
            ]),
        ),
    ]);
    format!(
        "# Generated by `cargo xtask dist`.\n{}",
        emit(&manifest.value)
    )
}

/// The platform's names as Go, and so krew, spells them.
fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::while_doing(format!(
        "could not read {}",
        path.display()
    )))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    File::create(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(Error::while_doing(format!(
            "could not write {}",
            path.display()
        )))
}

#[cfg(test)]
mod tests {
    use super::{PLUGINS, archive, manifest};

    #[test]
    fn the_same_content_is_the_same_archive() {
        let entries = [("a".to_owned(), 0o755, b"x".to_vec())];
        assert_eq!(archive(&entries).unwrap(), archive(&entries).unwrap());
    }

    #[test]
    fn a_manifest_names_archive_checksum_and_program() {
        let text = manifest(&PLUGINS[0], "1.2.3", "a.tar.gz", "00ff");
        for part in [
            "v1.2.3/a.tar.gz",
            "sha256: 00ff",
            "bin: kubectl-transform",
            "os: linux",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
