//! The authority of a control plane, the API server's certificate, and the key that signs ServiceAccount tokens.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use crate::{Error, Result};

pub(super) struct Certificates {
    pub(super) ca_pem: String,
    pub(super) ca_der: Vec<u8>,
}

/// Makes them, as files of the given folder.
pub(super) fn make(folder: &Path) -> Result<Certificates> {
    let failed = || Error::while_doing("could not make the certificates");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "test control plane");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(failed())?)
        .map_err(failed())?;

    let names = [
        "127.0.0.1",
        "10.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default.svc",
    ];
    let serving = CertificateParams::new(names.map(str::to_owned)).map_err(failed())?;
    let serving_key = KeyPair::generate().map_err(failed())?;
    let serving = serving
        .signed_by(&serving_key, &authority)
        .map_err(failed())?;
    let token_key = KeyPair::generate().map_err(failed())?;

    let ca_pem = authority.pem();
    for (name, text) in [
        ("ca.crt", ca_pem.clone()),
        ("apiserver.crt", serving.pem()),
        ("apiserver.key", serving_key.serialize_pem()),
        ("tokens.key", token_key.serialize_pem()),
        ("tokens.pub", token_key.public_key_pem()),
    ] {
        fs::write(folder.join(name), text)
            .map_err(Error::while_doing(format!("could not write {name}")))?;
    }
    Ok(Certificates {
        ca_pem,
        ca_der: authority.der().to_vec(),
    })
}
