//! The envelope around every answer of the session protocol.

use crate::error::ApiError;
use crate::transport::Answer;
use crate::{Error, Response, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How much of an answer that is no JSON is shown.
const EXCERPT_CHARS: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    http_status_code: Option<u16>,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    next_token: Option<String>,
    #[serde(default)]
    max_results: Option<u32>,
    #[serde(default)]
    total_count: Option<u64>,
    #[serde(default)]
    count: Option<u64>,
}

/// A successful answer, opened.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub operation: String,
    pub request_id: String,
    pub data: Value,
    pub next_token: Option<String>,
    pub max_results: Option<u32>,
    pub total_count: Option<u64>,
    /// How many files there are in all.
    pub count: Option<u64>,
}

impl Envelope {
    /// `Data` as `T`; a JSON text that holds JSON is opened first, because services send some objects that way.
    pub(crate) fn data<T: DeserializeOwned>(&self) -> Result<T> {
        let read = match &self.data {
            Value::String(text) => serde_json::from_str(text),
            data => T::deserialize(data),
        };
        read.map_err(|error| self.unexpected(format!("`Data` has another form ({error})")))
    }

    pub(crate) fn unexpected(&self, problem: impl Into<String>) -> Error {
        Error::unexpected(&self.operation, problem, Some(self.request_id.clone()))
    }

    pub(crate) fn into_response<T>(self, value: T) -> Response<T> {
        Response::new(self.request_id, value)
    }
}

/// Opens an answer, or says why the service refused.
pub(crate) fn read_envelope(operation: String, answer: Answer) -> Result<Envelope> {
    let wire: Wire = match serde_json::from_slice(&answer.body) {
        Ok(wire) => wire,
        Err(error) => return Err(not_an_envelope(operation, &answer, &error)),
    };
    let code = match wire.code {
        Some(Value::String(code)) => code,
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let named_success = code.is_empty() || code.eq_ignore_ascii_case("ok") || code == "200";
    if answer.status >= 300 || !wire.success.unwrap_or(named_success) {
        let status = if answer.status >= 300 { answer.status } else { wire.http_status_code.unwrap_or(answer.status) };
        let message = wire.message.unwrap_or_else(|| "the service gave no reason".into());
        return Err(Error::from_api(ApiError { operation, code, message, status, request_id: wire.request_id }));
    }
    Ok(Envelope {
        operation,
        request_id: wire.request_id.unwrap_or_default(),
        data: wire.data,
        next_token: wire.next_token.filter(|token| !token.is_empty()),
        max_results: wire.max_results,
        total_count: wire.total_count,
        count: wire.count,
    })
}

fn not_an_envelope(operation: String, answer: &Answer, error: &serde_json::Error) -> Error {
    let excerpt: String = String::from_utf8_lossy(&answer.body).chars().take(EXCERPT_CHARS).collect();
    if answer.status >= 300 {
        let message = format!("the answer is not the service's: `{}`", excerpt.trim());
        return Error::from_api(ApiError { operation, code: String::new(), message, status: answer.status, request_id: None });
    }
    Error::unexpected(&operation, format!("{error}, in `{}`", excerpt.trim()), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Envelope> {
        read_envelope("testing".into(), Answer { status, body: body.into() })
    }

    #[test]
    fn both_carriers_of_an_error_are_understood() {
        let check = |status, body, code, told| {
            let error = read(status, body).unwrap_err();
            let api = error.api().unwrap_or_else(|| panic!("{error:?}"));
            assert_eq!((api.code.as_str(), api.status), (code, told), "{body}");
        };
        check(400, r#"{"RequestId":"r","Success":false,"Code":"Bad","Message":"m"}"#, "Bad", 400);
        check(200, r#"{"RequestId":"r","Success":false,"Code":"Bad","Message":"m","HttpStatusCode":403}"#, "Bad", 403);
        check(200, r#"{"Code":"Bad"}"#, "Bad", 200);
        check(502, "<html>Bad gateway</html>", "", 502);
    }

    #[test]
    fn success_needs_no_flag_and_null_is_absent() {
        let envelope = read(200, r#"{"RequestId":"r","Code":"ok","Data":"[1,2]","NextToken":"","TotalCount":null}"#).unwrap();
        assert_eq!(envelope.data::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!((envelope.next_token, envelope.total_count), (None, None));
    }

    #[test]
    fn an_answer_that_is_no_json_is_shown() {
        let error = read(200, "hello").unwrap_err();
        assert!(matches!(&error, Error::UnexpectedAnswer { problem, .. } if problem.contains("hello")), "{error}");
    }
}
