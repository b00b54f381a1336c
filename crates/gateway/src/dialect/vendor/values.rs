//! Parameters with a meaning of their own. Their names are each dialect's.

use super::params::{Params, shown};
use super::refusal::Refusal;
use std::collections::BTreeMap;
use std::time::Duration;
use types::Labels;

/// Sessions on a page when the client names no number.
const DEFAULT_PAGE: u64 = 10;
/// Most sessions on a page.
const MAX_PAGE: u64 = 100;
/// Longest life that can be asked for, seconds (ten years): keeps sums of times in range.
const MAX_LIFE_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// Ports inside a session that links lead to.
const LINK_PORTS: std::ops::RangeInclusive<u64> = 30100..=30199;

/// Labels as JSON; none when there is no such parameter.
pub(in crate::dialect) fn labels(params: &Params, name: &'static str) -> Result<Option<Labels>, Refusal> {
    let pairs = params.json::<BTreeMap<String, String>>(name)?;
    pairs.map(|pairs| Labels::new(pairs).map_err(|error| Refusal::invalid(name, format!("are refused: {error}")))).transpose()
}

/// How many sessions a page is to have.
pub(in crate::dialect) fn page_size(params: &Params, name: &'static str) -> Result<u32, Refusal> {
    let size = params.number(name)?.unwrap_or(DEFAULT_PAGE);
    match u32::try_from(size) {
        Ok(limit) if (1..=MAX_PAGE).contains(&size) => Ok(limit),
        _ => Err(Refusal::invalid(name, format!("must be 1 to {MAX_PAGE}, got {size}"))),
    }
}

/// A part of a session's life, in a unit of so many seconds.
pub(in crate::dialect) fn span(params: &Params, name: &'static str, unit_seconds: u64) -> Result<Option<Duration>, Refusal> {
    let Some(count) = params.number(name)? else { return Ok(None) };
    let most = MAX_LIFE_SECONDS / unit_seconds;
    if !(1..=most).contains(&count) {
        let unit = if unit_seconds == 1 { "seconds" } else { "minutes" };
        return Err(Refusal::invalid(name, format!("must be 1 to {most} {unit}, got {count}")));
    }
    Ok(Some(Duration::from_secs(count * unit_seconds)))
}

/// What a link points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) struct LinkTarget {
    pub(in crate::dialect) web_socket: bool,
    pub(in crate::dialect) port: u16,
}

impl LinkTarget {
    /// Reads the parameters for protocol and port. Without a protocol it is a WebSocket link, as with the vendors.
    pub(in crate::dialect) fn read(params: &Params, [protocol, port_name]: [&'static str; 2]) -> Result<Self, Refusal> {
        let range = format!("{}–{}", LINK_PORTS.start(), LINK_PORTS.end());
        let web_socket = match params.text(protocol).map(str::to_ascii_lowercase).as_deref() {
            Some("https") => false,
            Some("wss") | None => true,
            Some(other) => return Err(Refusal::invalid(protocol, format!("must be https or wss, got {:?}", shown(other)))),
        };
        let port = params.number(port_name)?.ok_or_else(|| {
            let why = "is missing: this image has no service with a default link; name a port from";
            Refusal::invalid(port_name, format!("{why} {range} and serve on it"))
        })?;
        if !LINK_PORTS.contains(&port) {
            return Err(Refusal::invalid(port_name, format!("must be within {range}, got {port}")));
        }
        Ok(Self { web_socket, port: u16::try_from(port).expect("within the range of link ports") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
    }

    #[test]
    fn labels_are_pairs_of_texts_that_are_not_empty() {
        let read = |text: &str| labels(&params(&[("L", text)]), "L");
        assert_eq!(read(r#"{"env":"\u00e9"}"#).unwrap().unwrap().iter().collect::<Vec<_>>(), [("env", "é")]);
        assert_eq!(read("").unwrap(), None);
        for bad in ["{", "[1]", r#"{"a":1}"#, r#"{"a":""}"#, r#"{"":"a"}"#] {
            let error = read(bad).unwrap_err();
            assert!(error.code() == "InvalidParameter" && error.message().starts_with("L "), "{bad}: {}", error.message());
        }
    }

    #[test]
    fn pages_and_spans_have_defaults_and_bounds() {
        assert_eq!(page_size(&params(&[]), "N").unwrap(), 10);
        assert_eq!(page_size(&params(&[("N", "100")]), "N").unwrap(), 100);
        assert_eq!(span(&params(&[("N", "5")]), "N", 60).unwrap(), Some(Duration::from_secs(300)));
        assert_eq!(span(&params(&[]), "N", 60).unwrap(), None);
        for bad in ["0", "99999999999", "-1", "x"] {
            assert_eq!(page_size(&params(&[("N", bad)]), "N").unwrap_err().code(), "InvalidParameter", "{bad}");
            assert_eq!(span(&params(&[("N", bad)]), "N", 1).unwrap_err().code(), "InvalidParameter", "{bad}");
        }
    }

    #[test]
    fn links_need_a_port_of_the_range() {
        let read = |pairs: &[(&str, &str)]| LinkTarget::read(&params(pairs), ["Kind", "Port"]);
        let check = |pairs: &[(&str, &str)], web_socket, port| {
            assert_eq!(read(pairs).unwrap(), LinkTarget { web_socket, port }, "{pairs:?}");
        };
        check(&[("Kind", "https"), ("Port", "30100")], false, 30100);
        check(&[("Kind", "wss"), ("Port", "30199")], true, 30199);
        check(&[("Port", "30150")], true, 30150);
        for bad in [&[][..], &[("Kind", "https")], &[("Port", "30099")], &[("Port", "30200")], &[("Port", "8080")]] {
            let error = read(bad).unwrap_err();
            assert!(error.message().contains("30100–30199"), "{}", error.message());
        }
        assert!(read(&[("Kind", "ftp"), ("Port", "30100")]).is_err());
    }
}
