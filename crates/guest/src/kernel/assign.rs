//! Variables of the environment for a kernel that runs already, as code in its language.

use protocol::tools::code::Language;
use serde_json::json;
use std::collections::BTreeMap;

/// The code that sets them; `None` where a program cannot change its own environment: Java.
pub(super) fn code(language: Language, variables: &BTreeMap<String, String>) -> Option<String> {
    // JSON's texts are texts in all three languages too.
    let object = json!(variables).to_string();
    match language {
        // Names that the user's own code may have given another meaning are not used.
        Language::Python => Some(format!("__import__('os').environ.update({object})")),
        Language::Javascript => Some(format!("void Object.assign(process.env, JSON.parse({}))", json!(object))),
        Language::R => {
            let arguments: Vec<_> = variables.iter().map(|(name, value)| format!("{}={}", json!(name), json!(value))).collect();
            Some(format!("invisible(base::Sys.setenv({}))", arguments.join(", ")))
        }
        Language::Java => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_quoted() {
        let variables = BTreeMap::from([("A".into(), "x\"\n\\é".into()), ("__proto__".into(), String::new())]);
        let check = |language, expected: &str| assert_eq!(code(language, &variables).unwrap(), expected);
        check(Language::Python, r#"__import__('os').environ.update({"A":"x\"\n\\é","__proto__":""})"#);
        check(Language::Javascript, r#"void Object.assign(process.env, JSON.parse("{\"A\":\"x\\\"\\n\\\\é\",\"__proto__\":\"\"}"))"#);
        check(Language::R, r#"invisible(base::Sys.setenv("A"="x\"\n\\é", "__proto__"=""))"#);
        assert_eq!(code(Language::Java, &variables), None);
    }
}
