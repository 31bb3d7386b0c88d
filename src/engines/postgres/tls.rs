//! TLS by rustls, with the meaning that libpq gives to `sslmode`.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::parameters::{Mode, Parameters};
use crate::error::{Error, Result};

/// The connector that the parameters ask for.
///
/// # Errors
///
/// If a certificate or key cannot be used, or there is none to verify the server by.
pub fn connector(parameters: &Parameters) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier { provider: Arc::clone(&provider), trust: trust(parameters)? };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::caused("set up TLS", error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match parameters.client_certificate.as_ref().filter(|_| parameters.may_encrypt()) {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "sslcert")?;
            let key = private_key(key)?;
            config.with_client_auth_cert(chain, key).map_err(|error| Error::caused("use the client certificate", error))?
        }
    };
    // A server that is asked for TLS at once, without the request in clear text, wants to know for what.
    if parameters.other("sslnegotiation") == Some("direct") {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

/// How far a server's certificate is verified.
#[derive(Debug)]
enum Trust {
    /// Not at all.
    Anyone,
    /// It leads to one of these authorities, and, if so marked, names the host.
    SignedBy { roots: RootCertStore, own: Vec<CertificateDer<'static>>, names_host: bool },
}

fn trust(parameters: &Parameters) -> Result<Trust> {
    if !parameters.may_encrypt() {
        return Ok(Trust::Anyone);
    }
    let names_host = parameters.mode == Mode::VerifyFull;
    let own = match &parameters.root_certificate {
        Some(file) if file.as_os_str() == "system" => rustls_native_certs::load_native_certs().certs,
        // Where there is a root certificate it is used, even if the mode does not ask for it: so does libpq.
        Some(file) => certificates(file, "sslrootcert")?,
        None if names_host || parameters.mode == Mode::VerifyCa => {
            return Err(Error::new("found no root certificate, expected one to verify the server's by")
                .hint("pass sslrootcert=FILE, or sslrootcert=system for the authorities that the system trusts"));
        }
        None => return Ok(Trust::Anyone),
    };
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(own.iter().cloned()).0 == 0 {
        return Err(Error::new("found no usable root certificate, expected at least one"));
    }
    Ok(Trust::SignedBy { roots, own, names_host })
}

fn certificates(file: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read.map_err(|error| Error::caused("read the certificate", error)) {
        Ok(found) if found.is_empty() => Err(Error::new("found no certificate, expected one in PEM form")),
        found => found,
    }
    .map_err(|error| error.at(format!("{parameter} {}", file.display())))
}

/// Reads a key that nobody else can: the owner alone, or root and a group that the user is in.
fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let place = |error: Error| error.at(format!("sslkey {}", file.display()));
    let metadata = fs::metadata(file).map_err(|error| place(Error::caused("read the key", error)))?;
    let mode = metadata.mode() & 0o777;
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if mode & others != 0 {
        return Err(place(Error::new(format!("found mode {mode:04o}, expected 0600")).hint("chmod 0600 the key")));
    }
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| place(Error::caused("read the key", error)).hint("the key must be in PEM form and not encrypted"))
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

/// How a version of TLS verifies a signature.
type VerifySignature = fn(
    &[u8],
    &CertificateDer<'_>,
    &DigitallySignedStruct,
    &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, rustls::Error>;

impl Verifier {
    fn verify_signature(
        &self,
        verify: VerifySignature,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust {
            // Who does not ask who the server is has no use for its signature, whatever its certificate looks like.
            Trust::Anyone => Ok(HandshakeSignatureValid::assertion()),
            Trust::SignedBy { .. } => verify(message, certificate, signed, &self.provider.signature_verification_algorithms),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::SignedBy { roots, own, names_host } = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        // A certificate that is itself trusted needs no signature of another.
        if !own.contains(end_entity) {
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        if *names_host {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(verify_tls12_signature, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(verify_tls13_signature, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
