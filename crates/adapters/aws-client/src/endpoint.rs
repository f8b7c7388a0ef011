//! Where a service is.

use http::Uri;
use http::uri::Scheme;

/// An endpoint's URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What `Host` says: without the port where it is the scheme's own, as every client signs it.
    pub authority: String,
    /// In front of every path; without a slash at its end.
    pub base: String,
}

impl Endpoint {
    /// `http://127.0.0.1:9000`, `https://s3.eu-west-1.amazonaws.com`, `https://storage.example/s3`.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.trim().parse().map_err(|error| format!("{error}"))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err("it must begin with http:// or https://".into()),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it must not hold credentials".into());
        }
        if uri.query().is_some() {
            return Err("it must not have a query".into());
        }
        let default_port = if tls { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default_port);
        let host = authority.host();
        Ok(Endpoint {
            tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authority: if port == default_port { host.to_owned() } else { format!("{host}:{port}") },
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let at = |url: &str| Endpoint::parse(url).unwrap();
        let plain = at("http://127.0.0.1:9000/");
        assert_eq!((plain.tls, plain.port, plain.authority.as_str()), (false, 9_000, "127.0.0.1:9000"));
        assert_eq!(plain.base, "");
        let aws = at("https://s3.eu-west-1.amazonaws.com:443");
        assert_eq!((aws.tls, aws.port, aws.authority.as_str()), (true, 443, "s3.eu-west-1.amazonaws.com"));
        assert_eq!(at("https://storage.example/s3/").base, "/s3");
        assert_eq!(at("http://[::1]:9000").host, "::1");
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for url in ["", "s3.amazonaws.com", "ftp://x", "http://user:secret@x", "http://x/?y", "http://"] {
            let refused = Endpoint::parse(url).unwrap_err();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
