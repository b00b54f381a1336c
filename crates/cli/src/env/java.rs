//! What Java programs need: a trust store, named in `JAVA_TOOL_OPTIONS`, which every JVM reads (and says so on standard
//! error).

/// The variable.
pub(super) const VARIABLE: &str = "JAVA_TOOL_OPTIONS";
/// Not a secret: it guards certificates that everybody may see. Java insists on one.
pub(crate) const PASSWORD: &str = "changeit";
const STORE: &str = "-Djavax.net.ssl.trustStore=";
const OURS: [&str; 3] = [STORE, "-Djavax.net.ssl.trustStorePassword=", "-Djavax.net.ssl.trustStoreType="];

/// The options `before`, with our trust store and no other; and the trust store that they named, when it was another's.
/// Setting the same again changes nothing.
pub(super) fn options(before: &str, store: &str) -> (String, Option<String>) {
    let before = words(before);
    let (ours, mut kept): (Vec<&str>, Vec<&str>) =
        before.into_iter().partition(|word| OURS.iter().any(|name| bare(word).starts_with(name)));
    let named = ours.iter().find_map(|word| bare(word).strip_prefix(STORE).map(str::to_owned));
    let replaced = named.filter(|named| named != store && !named.ends_with("/trust-store.p12"));
    let store = quoted(&format!("{STORE}{store}"));
    let rest = [format!("{}{PASSWORD}", OURS[1]), format!("{}PKCS12", OURS[2])];
    kept.push(&store);
    kept.extend(rest.iter().map(String::as_str));
    (kept.join(" "), replaced)
}

/// The words as a JVM separates them: by space, save within quotes of either kind, which are kept.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut quote) = (Vec::new(), None, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => words.extend(start.take().map(|start| &text[start..at])),
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            (c, None) => {
                start.get_or_insert(at);
                quote = matches!(c, '\'' | '"').then_some(c);
            }
        }
    }
    words.extend(start.map(|start| &text[start..]));
    words
}

/// A word as the JVM reads it.
fn bare(word: &str) -> String {
    let mut quote = None;
    let mut reads = |c: &char| match quote {
        Some(open) if open == *c => {
            quote = None;
            false
        }
        None if matches!(c, '\'' | '"') => {
            quote = Some(*c);
            false
        }
        _ => true,
    };
    word.chars().filter(|c| reads(c)).collect()
}

fn quoted(word: &str) -> String {
    match word {
        word if !word.contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '"')) => word.to_owned(),
        word if !word.contains('"') => format!("\"{word}\""),
        word => format!("'{word}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "-Djavax.net.ssl.trustStorePassword=changeit -Djavax.net.ssl.trustStoreType=PKCS12";

    #[test]
    fn what_was_there_stays_and_nothing_is_there_twice() {
        let check = |before: &str, store: &str, expected: &str| {
            let (once, _) = options(before, store);
            assert_eq!(once, format!("{expected} {REST}"), "{before}");
            assert_eq!(options(&once, store), (once, None), "{before}");
        };
        check("", "/a.p12", "-Djavax.net.ssl.trustStore=/a.p12");
        check(" -Xmx1g  -Dx=y", "/a.p12", "-Xmx1g -Dx=y -Djavax.net.ssl.trustStore=/a.p12");
        check("-Dx='a b' \"-Dy=c d\"", "/a.p12", "-Dx='a b' \"-Dy=c d\" -Djavax.net.ssl.trustStore=/a.p12");
        check("-Xmx1g", "/a b.p12", "-Xmx1g \"-Djavax.net.ssl.trustStore=/a b.p12\"");
        check("-Xmx1g", "/it's.p12", "-Xmx1g \"-Djavax.net.ssl.trustStore=/it's.p12\"");
    }

    #[test]
    fn another_trust_store_is_told() {
        let (now, replaced) = options("-Djavax.net.ssl.trustStore=/corp.jks -Djavax.net.ssl.trustStoreType=JKS", "/a.p12");
        assert_eq!(now, format!("-Djavax.net.ssl.trustStore=/a.p12 {REST}"));
        assert_eq!(replaced.as_deref(), Some("/corp.jks"));
        let (_, replaced) = options("-Djavax.net.ssl.trustStore=/other/trust-store.p12", "/data/trust-store.p12");
        assert_eq!(replaced, None, "another server of ours is no loss");
    }
}
