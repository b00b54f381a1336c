//! Contexts as the SDK sees them.

use super::*;

#[tokio::test]
async fn contexts_live_without_a_session() {
    let world = World::new().await;
    let path = |endpoint: &str, pairs: &[(&str, &str)]| format!("/sdk/{endpoint}?{}", query(pairs));
    let get = async |pairs: &[(&str, &str)]| world.get(&path("GetContext", pairs)).await["data"].clone();
    let message = world.refuses("GET", &path("GetContext", &[("name", "data"), ("allowCreate", "false")]), "", 404, "EntityNotExist").await;
    assert!(message.contains("\"data\"") && message.contains("allowCreate"), "{message}");
    world.refuses("GET", "/sdk/GetContext", "", 400, "MissingParameter").await;
    let made = get(&[("name", "data"), ("allowCreate", "true")]).await;
    let id = made["id"].as_str().unwrap();
    let noon = "2026-06-01T12:00:00Z";
    assert_eq!(made, json!({ "id": id, "name": "data", "state": "available", "createTime": noon, "lastUsedTime": noon }));
    for by in [("name", "data"), ("id", id)] {
        assert_eq!(get(&[by, ("allowCreate", "false")]).await, made);
    }
    get(&[("name", "second"), ("allowCreate", "true")]).await;
    let page = world.get(&path("ListContexts", &[("maxResults", "1")])).await;
    assert_eq!((&page["count"], &page["maxResults"], page["data"].as_array().unwrap().len()), (&json!(2), &json!(1), 1));
    let next = world.get(&path("ListContexts", &[("maxResults", "1"), ("nextToken", page["nextToken"].as_str().unwrap())])).await;
    assert_eq!((next["data"].as_array().unwrap().len(), &next["nextToken"]), (1, &json!("")));
    assert_ne!(page["data"], next["data"]);

    world.post(&path("ModifyContext", &[("id", id), ("name", "renamed")]), json!({})).await;
    world.refuses("POST", &path("ModifyContext", &[("id", id), ("name", "second")]), "{}", 409, "OperationConflict").await;
    assert_eq!(get(&[("id", id)]).await["name"], "renamed");
    world.post(&path("ClearContext", &[("id", id)]), json!({})).await;
    world.post(&path("DeleteContext", &[("id", id)]), json!({})).await;
    for endpoint in ["DeleteContext", "ClearContext"] {
        for gone in [id, "nonsense"] {
            world.refuses("POST", &path(endpoint, &[("id", gone)]), "{}", 404, "EntityNotExist").await;
        }
    }
    world.refuses("GET", &path("GetContext", &[("id", id)]), "", 404, "EntityNotExist").await;
}

#[tokio::test]
async fn files_of_a_context_go_in_and_out_by_urls() {
    let world = World::new().await;
    let made = world.get("/sdk/GetContext?name=data&allowCreate=true").await["data"].clone();
    let context = ("contextId", made["id"].as_str().unwrap());
    let path = |endpoint: &str, more: &[(&str, &str)]| format!("/sdk/{endpoint}?{}", query(&[&[context], more].concat()));
    let file = |endpoint: &str| path(endpoint, &[("filePath", "/tmp/a b")]);
    let fetch = async |method: &str, url: &Value, body: &'static str| {
        let at = url.as_str().unwrap().strip_prefix("https://localhost:8444").unwrap().to_owned();
        let request = Request::builder().method(method).uri(at).body(Body::from(body)).unwrap();
        told(front::pass::<crate::links::Links>(world.app.clone(), request).await).await
    };

    world.refuses("POST", &file("GetContextFileDownloadUrl"), "{}", 404, "EntityNotExist").await;
    let up = world.post(&file("GetContextFileUploadUrl"), json!({})).await["data"].clone();
    assert_eq!(up["expireTime"], "2026-06-01T13:00:00Z".parse::<types::Timestamp>().unwrap().as_second());
    assert_eq!(fetch("PUT", &up["url"], "12345").await.0, 200);
    let down = world.post(&file("GetContextFileDownloadUrl"), json!({})).await["data"].clone();
    assert_eq!(fetch("GET", &down["url"], "").await, (200, "12345".into()));

    let listed = async |more: &[(&str, &str)]| world.post(&path("DescribeContextFiles", more), json!({})).await;
    let tmp = listed(&[("parentFolderPath", "/tmp"), ("pageNumber", "1"), ("pageSize", "50")]).await;
    let entry = &tmp["data"][0];
    assert_eq!((&tmp["count"], &entry["fileName"], &entry["filePath"]), (&json!(1), &json!("a b"), &json!("/tmp/a b")), "{tmp}");
    assert_eq!((&entry["size"], &entry["fileType"]), (&json!(5), &json!("file")));
    for text in ["fileId", "gmtCreate", "gmtModified", "status"] {
        assert!(entry[text].is_string(), "{text}");
    }
    let beyond = listed(&[("parentFolderPath", "/tmp"), ("pageNumber", "2"), ("pageSize", "1")]).await;
    assert_eq!((&beyond["data"], &beyond["count"]), (&json!([]), &json!(1)));
    let root = listed(&[]).await;
    assert_eq!((&root["data"][0]["filePath"], &root["data"][0]["fileType"]), (&json!("/tmp"), &json!("folder")));

    for endpoint in ["GetContextFileUploadUrl", "GetContextFileDownloadUrl", "DeleteContextFile"] {
        world.refuses("POST", &path(endpoint, &[]), "{}", 400, "MissingParameter").await;
        let message = world.refuses("POST", &path(endpoint, &[("filePath", "../x")]), "{}", 400, "InvalidParameter").await;
        assert!(message.contains(".."), "{message}");
    }
    world.post(&file("DeleteContextFile"), json!({})).await;
    world.refuses("POST", &file("DeleteContextFile"), "{}", 404, "EntityNotExist").await;
    assert_eq!(listed(&[("parentFolderPath", "/tmp")]).await["data"], json!([]));
}
