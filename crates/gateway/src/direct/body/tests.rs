use super::*;
use crate::testing;
use serde_json::json;

const BOUNDS: Bounds = Bounds { json: 1 << 20, content: 4 << 20 };

/// A body that comes in pieces of `size` bytes.
fn pieces(text: &[u8], size: usize) -> Body {
    let pieces: Vec<_> = text.chunks(size).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    Body::from_stream(futures::stream::iter(pieces))
}

async fn taken(text: &str, size: usize) -> Result<(Value, Option<String>), String> {
    let app = testing::app().await;
    let call = take(&app, &mut pieces(text.as_bytes(), size), BOUNDS).await.map_err(|error| error.to_string())?;
    Ok((json!(call.args), call.content.map(|(content, _)| content.into_text())))
}

#[tokio::test]
async fn content_is_lifted_and_means_what_json_says_wherever_it_is_cut() {
    let all = (0..=0x2FFu32).chain([0x20AC, 0xFFFD, 0x1F600, 0x10FFFF]).filter_map(char::from_u32).collect::<String>();
    for text in ["", "plain", "a\"b\\c/\n\u{8}\u{c}\r\t\0", &all] {
        let plain = json!({"args": {"path": "/p", "content": text, "mode": "append"}, "tool": "write_file"}).to_string();
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        let ascii = format!(r#"{{"tool":"write_file","args":{{"path":"/p","content" : "{escaped}","mode":"append"}}}}"#);
        for body in [plain, ascii] {
            for size in [1, 2, 3, 7, 4096] {
                let (args, content) = taken(&body, size).await.unwrap();
                assert_eq!(content.as_deref(), Some(text), "{size}: {body}");
                assert_eq!(args, json!({"path": "/p", "content": "", "mode": "append"}));
            }
        }
    }
}

#[tokio::test]
async fn only_the_content_of_args_is_lifted() {
    for body in [
        r#"{"tool":"t","content":"x","args":{"a":{"content":"x"},"b":["content","x"],"content":5},"more":{"content":"x"}}"#,
        r#"{"more":["args",{"content":"x"}],"args":{"a":"{\"content\":\"x","contents":"x","x":"content"},"tool":"t"}"#,
        r#"{"tool":"t","args":{}}"#,
    ] {
        let (args, content) = taken(body, 5).await.unwrap();
        assert_eq!((&args, content), (&serde_json::from_str::<Value>(body).unwrap()["args"], None), "{body}");
    }
    assert_eq!(taken(r#"{"tool":"t"}"#, 5).await.unwrap().0, Value::Null);
}

#[tokio::test]
async fn broken_bodies_are_refused() {
    for body in [
        "",
        "[]",
        "{",
        r#"{"args":{}}"#,
        r#"{"tool":"t","args":[]}"#,
        r#"{"tool":"t","args":{"content":"x"#,
        r#"{"tool":"t","args":{"content":"x"}"#,
        r#"{"tool":"t","args":{"content":"x" "y"}}"#,
        r#"{"tool":"t","args":{"content":"x","content":"y"}}"#,
        r#"{"tool":"t","args":{"content":"\q"}}"#,
        r#"{"tool":"t","args":{"content":"\u12"}}"#,
        r#"{"tool":"t","args":{"content":"\ud83d"}}"#,
        r#"{"tool":"t","args":{"content":"\ud83dx"}}"#,
        r#"{"tool":"t","args":{"content":"\ude00"}}"#,
        "{\"tool\":\"t\",\"args\":{\"content\":\"a\nb\"}}",
    ] {
        assert!(taken(body, 3).await.is_err(), "{body}");
    }
    let app = testing::app().await;
    let bad = b"{\"tool\":\"t\",\"args\":{\"content\":\"\xff\"}}";
    assert!(matches!(take(&app, &mut pieces(bad, 4), BOUNDS).await, Err(CallError::Json(_))));
}

#[tokio::test]
async fn both_parts_have_bounds_and_pay_for_their_room() {
    let app = testing::app().await;
    let call = |field: &str, length: usize| format!(r#"{{"tool":"t","args":{{"{field}":"{}"}}}}"#, "x".repeat(length));
    let ask = async |text: String| take(&app, &mut pieces(text.as_bytes(), 10_000), BOUNDS).await;
    let (content, _room) = ask(call("content", BOUNDS.content)).await.unwrap().content.unwrap();
    assert_eq!(content.len(), BOUNDS.content);
    for (field, length) in [("content", BOUNDS.content + 1), ("other", BOUNDS.json)] {
        let refused = ask(call(field, length)).await;
        assert!(matches!(refused, Err(CallError::Body(BodyError::TooLarge { .. }))), "{field}: {refused:?}");
    }

    let limits = crate::config::Limits { bodies_in_flight: 2 << 20, ..Default::default() };
    let narrow = crate::limits::Admission::new(&limits);
    let mut room = narrow.room();
    assert!(room.grow(1 << 20).is_ok());
    assert!(matches!(narrow.room().grow(2 << 20), Err(BodyError::NoRoom)));
    drop(room);
    assert!(narrow.room().grow(2 << 20).is_ok());
}
