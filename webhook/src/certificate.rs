//! Making a certificate authority and one serving certificate under it.
//!
//! The authority's key signs exactly one certificate and is dropped: it is stored nowhere, so nobody can steal it
//! and sign for the webhook. A new certificate therefore comes with a new authority, which is what rotation
//! exercises anyway.

use std::net::IpAddr;

use jiff::{Span, Timestamp, tz::TimeZone};
use pequod_diag::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use thiserror::Error;

/// For how many days a certificate is valid.
pub const VALID_DAYS: i64 = 90;
/// How many days before its end it is replaced.
pub const RENEW_DAYS: i64 = 30;

/// A certificate cannot be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A name is no DNS name and no IP address.
    #[error("a certificate cannot be made for these names")]
    Names(#[source] rcgen::Error),
    /// Key generation or signing failed.
    #[error("a certificate cannot be signed")]
    Signing(#[source] rcgen::Error),
    /// The clock is outside of what a certificate can say.
    #[error("the clock says {0}, for which no certificate can be made")]
    Clock(Timestamp),
}

/// A serving certificate, its key, and the authority that vouches for it.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The authority's certificate, PEM.
    pub authority: String,
    /// The serving certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: Secret<String>,
    /// When both are no longer valid.
    pub not_after: Timestamp,
}

/// Makes a certificate for the given DNS names and IP addresses, valid from a day before `now`.
pub fn issue(names: &[String], now: Timestamp) -> Result<Issued, CertificateError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let day = |days: i64| {
        let date = today.checked_add(Span::new().days(days)).ok()?;
        let month = u8::try_from(date.month()).ok()?;
        let day = u8::try_from(date.day()).ok()?;
        let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some((date_time_ymd(date.year().into(), month, day), midnight))
    };
    let (Some((not_before, _)), Some((end, not_after))) = (day(-1), day(VALID_DAYS)) else {
        return Err(CertificateError::Clock(now));
    };
    let key = || KeyPair::generate().map_err(CertificateError::Signing);

    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, format!("pequod webhook {today}"));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (authority.not_before, authority.not_after) = (not_before, end);
    let authority_key = key()?;
    let authority_certificate = authority
        .self_signed(&authority_key)
        .map_err(CertificateError::Signing)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut serving = CertificateParams::new(names).map_err(CertificateError::Names)?;
    if let Some(name) = names.iter().find(|name| name.parse::<IpAddr>().is_err()) {
        // Of at most 64 bytes; whoever checks looks at the alternative names anyway.
        if name.len() <= 64 {
            serving
                .distinguished_name
                .push(DnType::CommonName, name.as_str());
        }
    }
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    serving.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    serving.use_authority_key_identifier_extension = true;
    (serving.not_before, serving.not_after) = (not_before, end);
    let serving_key = key()?;
    let certificate = serving
        .signed_by(&serving_key, &issuer)
        .map_err(CertificateError::Signing)?;

    Ok(Issued {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: Secret::new(serving_key.serialize_pem()),
        not_after,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use pequod_server::Certificates;

    use super::{VALID_DAYS, issue};

    #[test]
    fn certificate_and_key_belong_together() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let names = [
            "pequod-webhook.pequod.svc".to_owned(),
            "127.0.0.1".to_owned(),
        ];
        let issued = issue(&names, now).unwrap();
        let certificates = Certificates::empty();
        certificates
            .replace(
                issued.certificate.as_bytes(),
                issued.key.expose().as_bytes(),
            )
            .unwrap();
        let left = issued.not_after.duration_since(now).as_hours() / 24;
        assert!((VALID_DAYS - 1..=VALID_DAYS).contains(&left), "{left}");
        assert!(
            !format!("{issued:?}").contains("PRIVATE"),
            "the key is not printed"
        );
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        assert!(issue(&["täst".to_owned()], Timestamp::UNIX_EPOCH).is_err());
    }
}
