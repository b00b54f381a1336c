//! MCP tools: listing them, calling them, and the two routes a call can take.

use crate::transport::{Answer, Call, Timeouts};
use crate::{Error, Response, Result, Session};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a direct call may take; the service's own limit on a call through the API is shorter.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(900);
/// How long a call inside a virtual private cloud may take.
const VPC_TIMEOUT: Duration = Duration::from_secs(30);
/// What is listed for a session whose image is not known.
const DEFAULT_IMAGE: &str = "linux_latest";

/// A tool that sessions of an image have.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// for tool in session.list_mcp_tools().await?.iter() {
///     println!("{}: {}", tool.name, tool.description);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct McpTool {
    /// Its name.
    pub name: String,
    /// What it does, for people and language models.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    #[serde(default)]
    pub input_schema: Value,
    /// The group it belongs to.
    #[serde(default)]
    pub server: String,
    /// Its name inside that group.
    #[serde(default)]
    pub tool: String,
}

/// What a tool answered.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::CallOptions;
/// let result = session.call_mcp_tool("shell", serde_json::json!({"command": "false"}), CallOptions::new()).await?;
/// println!("failed: {}, text: {}", result.is_error, result.text);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolResult {
    /// The tool's own text.
    pub text: String,
    /// Whether the tool says that it failed; `text` then tells why.
    pub is_error: bool,
}

/// Time limits of one tool call; the client's when absent.
///
/// ```no_run
/// use roadstead_sdk::CallOptions;
/// use std::time::Duration;
/// let options = CallOptions::new().read_timeout(Duration::from_secs(120)).connect_timeout(Duration::from_secs(2));
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "options do nothing until a call is made with them"]
pub struct CallOptions {
    timeouts: Timeouts,
}

impl CallOptions {
    /// The client's limits.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CallOptions::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the whole answer may take.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CallOptions::new().read_timeout(std::time::Duration::from_secs(120));
    /// ```
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.read = Some(limit);
        self
    }

    /// How long making a connection may take, when one has to be made.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::CallOptions::new().connect_timeout(std::time::Duration::from_secs(2));
    /// ```
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.connect = Some(limit);
        self
    }
}

impl Session {
    /// The tools of the session's image, also kept on the session ([`Session::tools`]).
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let tools = session.list_mcp_tools().await?;
    /// println!("{} tools", tools.len());
    /// # Ok(()) }
    /// ```
    pub async fn list_mcp_tools(&self) -> Result<Response<Vec<McpTool>>> {
        self.list_mcp_tools_of(self.image_id().unwrap_or(DEFAULT_IMAGE)).await
    }

    /// The tools of another image.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let tools = session.list_mcp_tools_of("linux_latest").await?;
    /// # Ok(()) }
    /// ```
    pub async fn list_mcp_tools_of(&self, image_id: &str) -> Result<Response<Vec<McpTool>>> {
        let call = Call::new("ListMcpTools", format!("listing the tools of image {image_id}")).param("ImageId", image_id);
        let envelope = self.transport().call(call).await?;
        let tools: Option<Vec<McpTool>> = envelope.data()?;
        let tools = tools.unwrap_or_default();
        if image_id == self.image_id().unwrap_or(DEFAULT_IMAGE) {
            self.remember_tools(&tools);
        }
        Ok(envelope.into_response(tools))
    }

    /// Calls a tool by its name with a JSON object of arguments. A tool that fails is a result with `is_error`, not an
    /// [`Error`]. The call goes straight to the session when the service gave an address for that (and may then take 900 s), or
    /// to its address in a virtual private cloud when that was set by hand (30 s), else by the API (the client's limit).
    ///
    /// Dropping the future stops the waiting; the tool may run on.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::CallOptions;
    /// let arguments = serde_json::json!({"command": "echo hello"});
    /// let result = session.call_mcp_tool("shell", arguments, CallOptions::new()).await?;
    /// println!("{}", result.text);
    /// # Ok(()) }
    /// ```
    pub async fn call_mcp_tool(&self, name: &str, arguments: Value, options: CallOptions) -> Result<Response<ToolResult>> {
        if !arguments.is_object() {
            return Err(Error::invalid(format!("the arguments of tool `{name}` must be a JSON object")));
        }
        let server = self.server_of(name);
        let known = self.properties();
        let [link, token, address, port] = [&known.link_url, &known.token, &known.network_interface_ip, &known.http_port]
            .map(|text| text.as_deref().filter(|t| !t.is_empty()));
        match (link, token, address.zip(port), &server) {
            (_, Some(token), Some(place), _) if known.vpc_resource => {
                self.call_in_vpc(place, token, server, name, arguments, options).await
            }
            (Some(url), Some(token), _, Some(server)) => self.call_directly(url, token, server, name, arguments, options).await,
            _ => self.call_by_api(&server.unwrap_or_default(), name, arguments, options).await,
        }
    }

    /// Calls a tool whose failure is the caller's failure, for the modules above.
    pub(crate) async fn call_tool(&self, name: &str, arguments: Value) -> Result<Response<String>> {
        let result = self.call_mcp_tool(name, arguments, CallOptions::default()).await?;
        if result.is_error {
            let Response { request_id, value, .. } = result;
            return Err(Error::tool(name, value.text, request_id));
        }
        Ok(result.map(|result| result.text))
    }

    async fn call_by_api(&self, server: &str, name: &str, arguments: Value, options: CallOptions) -> Result<Response<ToolResult>> {
        let call = self
            .call("CallMcpTool", &format!("calling tool {name} in"))
            .param("Name", name)
            .param("Args", arguments.to_string())
            .param("AutoGenSession", "False")
            .param("Server", server)
            .timeouts(options.timeouts);
        let envelope = self.transport().call(call).await?;
        let content: Content = envelope.data()?;
        let result = content.into_result();
        Ok(envelope.into_response(result))
    }

    async fn call_directly(
        &self,
        url: &str,
        token: &str,
        server: &str,
        name: &str,
        arguments: Value,
        options: CallOptions,
    ) -> Result<Response<ToolResult>> {
        let operation = format!("calling tool {name} directly in session {}", self.id());
        let request_id = format!("link-{}", crate::transport::nonce());
        let body = json!({"args": arguments, "server": server, "requestId": request_id, "tool": name, "token": token});
        let request = self
            .transport()
            .client(options.timeouts.connect)?
            .post(format!("{}/callTool", url.trim_end_matches('/')))
            .header("X-Access-Token", token)
            .json(&body);
        let timeout = options.timeouts.read.unwrap_or(DIRECT_TIMEOUT);
        let answer = self.transport().send(request, &operation, timeout).await?;
        let result = read_direct(operation, answer, &request_id)?;
        Ok(Response::new(request_id, result))
    }
}

impl Session {
    /// The way of a session in a virtual private cloud, whose address the caller has set by hand.
    async fn call_in_vpc(
        &self,
        (address, port): (&str, &str),
        token: &str,
        server: Option<String>,
        name: &str,
        arguments: Value,
        options: CallOptions,
    ) -> Result<Response<ToolResult>> {
        let operation = format!("calling tool {name} in the cloud of session {}", self.id());
        let url = url::Url::parse(&format!("http://{address}:{port}/callTool"))
            .map_err(|error| Error::invalid(format!("`{address}:{port}` is no address of a session ({error})")))?;
        let request_id = format!("vpc-{}", crate::transport::nonce());
        let request = self.transport().client(options.timeouts.connect)?.get(url).query(&[
            ("server", server.unwrap_or_default().as_str()),
            ("tool", name),
            ("args", &arguments.to_string()),
            ("token", token),
            ("requestId", &request_id),
        ]);
        let answer = self.transport().send(request, &operation, options.timeouts.read.unwrap_or(VPC_TIMEOUT)).await?;
        let result = read_direct(operation, answer, &request_id)?;
        Ok(Response::new(request_id, result))
    }
}

/// A tool's result as MCP has it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    content: Vec<Item>,
    is_error: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    text: Option<String>,
    blob: Option<String>,
    data: Option<String>,
}

impl Content {
    fn into_result(self) -> ToolResult {
        let mut texts = self.content.into_iter().filter_map(|item| {
            let forms = [item.text, item.blob, item.data];
            forms.into_iter().flatten().find(|text| !text.is_empty())
        });
        let text = if self.is_error { texts.collect::<Vec<_>>().join("; ") } else { texts.next().unwrap_or_default() };
        ToolResult { text, is_error: self.is_error }
    }
}

/// `{"data": X}` where X is `{"result": …}`, itself or as JSON text.
fn read_direct(operation: String, answer: Answer, request_id: &str) -> Result<ToolResult> {
    #[derive(Deserialize)]
    struct Outer {
        data: Value,
    }
    #[derive(Deserialize)]
    struct Inner {
        result: Content,
    }
    if !(200..300).contains(&answer.status) {
        let request_id = Some(request_id.to_owned());
        let message = "the session refused the call".to_owned();
        return Err(Error::from_api(crate::ApiError { operation, code: String::new(), message, status: answer.status, request_id }));
    }
    let read = serde_json::from_slice(&answer.body).and_then(|outer: Outer| match outer.data {
        Value::String(text) => serde_json::from_str::<Inner>(&text),
        data => Inner::deserialize(data),
    });
    match read {
        Ok(inner) => Ok(inner.result.into_result()),
        Err(error) => Err(Error::unexpected(&operation, error.to_string(), Some(request_id.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_text_is_the_result_and_all_texts_are_the_error() {
        let check = |json: &str, text, is_error| {
            let content: Content = serde_json::from_str(json).unwrap();
            assert_eq!(content.into_result(), ToolResult { text: String::from(text), is_error }, "{json}");
        };
        check(r#"{"content":[{"type":"text","text":"a"},{"text":"b"}]}"#, "a", false);
        check(r#"{"content":[{"text":"a"},{"text":"b"}],"isError":true}"#, "a; b", true);
        check(r#"{"content":[{"type":"image","text":"","data":"aGk="}],"isError":false}"#, "aGk=", false);
        check(r#"{"content":[]}"#, "", false);
    }

    #[test]
    fn direct_answers_come_as_objects_or_as_text() {
        let inner = r#"{"result":{"content":[{"text":"hi"}],"isError":false}}"#;
        for body in [format!(r#"{{"data":{inner}}}"#), json!({"data": inner, "code": 0}).to_string()] {
            let result = read_direct("testing".into(), Answer { status: 200, body: body.into() }, "link-1").unwrap();
            assert_eq!(result.text, "hi");
        }
        let error = read_direct("testing".into(), Answer { status: 401, body: Vec::new() }, "link-1").unwrap_err();
        assert!(matches!(&error, Error::Authentication(_)), "{error:?}");
        assert_eq!(error.request_id(), Some("link-1"));
    }
}
