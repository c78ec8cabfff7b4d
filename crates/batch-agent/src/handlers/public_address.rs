//! Which addresses a handler may have (W6).
//!
//! The operator's config names the host. A host that is written as an IP address or as `localhost`
//! is allowed by that very name. Any other name must resolve to public addresses: whoever controls
//! a DNS entry shall not reach into the operator's network. The check stands in the resolver that
//! the connector uses, so that the address which was checked is the address that is called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A resolver that answers public addresses only, but for `localhost`.
pub(super) struct PublicResolver;

#[derive(Debug, thiserror::Error)]
#[error(
    "{host} resolves to {address}, which is not a public address; write the address itself into \
     the url to allow it"
)]
struct NotPublic {
    host: String,
    address: IpAddr,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} has no address")]
struct NoAddress(String);

/// The name could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("looking up {host}")]
pub(super) struct NoLookUp {
    host: String,
    source: std::io::Error,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0))
                .await
                .map_err(|source| NoLookUp { host: host.clone(), source })?
                .collect();
            if found.is_empty() {
                return Err(NoAddress(host).into());
            }
            if host != "localhost"
                && let Some(inside) = found.iter().find(|found| !is_public(found.ip()))
            {
                return Err(NotPublic { host, address: inside.ip() }.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_public_v6(v6), is_public_v4),
    }
}

/// The special-purpose blocks of RFC 6890 that no public host has.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocol_assignments = a == 192 && b == 0 && c == 0;
    let benchmarking = a == 198 && (18..20).contains(&b);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || shared
        || protocol_assignments
        || benchmarking
        || a == 0
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let documentation = first == 0x2001 && address.segments()[1] == 0x0db8;
    // 64:ff9b::/96 reaches IPv4 hosts through a translator, so the IPv4 rules decide.
    if first == 0x64 && address.segments()[1] == 0xff9b {
        let [.., high, low] = address.segments();
        return is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    !(address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || documentation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_addresses_are_told_from_public_ones() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(inside.parse().expect("address")), "{inside}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
        {
            assert!(is_public(public.parse().expect("address")), "{public}");
        }
    }
}
