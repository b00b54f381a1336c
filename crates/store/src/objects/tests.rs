//! The local back end, and what every back end must do.

use super::*;

struct Place {
    tenant: TenantId,
    id: ContextId,
}

impl Place {
    fn new(name: &str) -> Self {
        Self { tenant: "tenant-a".parse().unwrap(), id: format!("SdkCtx-{name}").parse().unwrap() }
    }

    fn at(&self) -> ContextRef<'_> {
        ContextRef { tenant: &self.tenant, id: &self.id }
    }
}

fn path(text: &str) -> ContextPath {
    ContextPath::file(text).unwrap()
}

async fn put(objects: &Objects, place: &Place, name: &str, bytes: &[u8]) -> FileMeta {
    let mut writer = objects.writer(place.at(), &path(name)).unwrap();
    for piece in bytes.chunks(1 << 20) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn got(
    objects: &Objects,
    place: &Place,
    name: &str,
    range: Option<ByteRange>,
) -> Result<(std::ops::Range<u64>, Vec<u8>), ObjectsError> {
    let mut read = objects.read(place.at(), &path(name), range).await?;
    let mut whole = Vec::new();
    while let Some(piece) = read.bytes.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok((read.range, whole))
}

fn named(entries: &[Entry]) -> Vec<String> {
    let name = |entry: &Entry| match entry {
        Entry::File(meta) => format!("{} {}", meta.path, meta.size),
        Entry::Folder(path) => format!("{path}/"),
    };
    entries.iter().map(name).collect()
}

/// What every back end must do.
async fn suite(objects: &Objects) {
    let (ours, theirs) = (Place::new("ours"), Place::new("ours2"));
    objects.check().await.unwrap();
    assert!(matches!(objects.head(ours.at(), &path("/a")).await, Err(ObjectsError::NotFound(_))));
    assert!(matches!(got(objects, &ours, "/a", None).await, Err(ObjectsError::NotFound(_))));
    assert!(matches!(got(objects, &ours, "/a", Some(ByteRange::From(1))).await, Err(ObjectsError::NotFound(_))));
    assert_eq!(objects.list(ours.at(), &ContextPath::root()).await.unwrap(), []);

    // Larger than a part, so that it goes in several.
    let large: Vec<u8> = (0..20 << 20).map(|n: u32| (n ^ (n >> 9)) as u8).collect();
    for (name, bytes) in
        [("/tmp/a.txt", &b"first"[..]), ("/tmp/large", &large), ("/tmp/odd\n#1 %41/ü", b"x"), ("/top", b""), ("/tmpfile", b"y")]
    {
        put(objects, &ours, name, bytes).await;
        assert_eq!(got(objects, &ours, name, None).await.unwrap(), (0..bytes.len() as u64, bytes.to_vec()), "{name}");
        assert_eq!(objects.head(ours.at(), &path(name)).await.unwrap().size, bytes.len() as u64);
    }
    put(objects, &theirs, "/tmp/theirs", b"z").await;
    assert_eq!(named(&objects.list(ours.at(), &ContextPath::root()).await.unwrap()), ["/tmp/", "/tmpfile 1", "/top 0"]);
    let tmp = ContextPath::folder("/tmp").unwrap();
    assert_eq!(named(&objects.list(ours.at(), &tmp).await.unwrap()), ["/tmp/a.txt 5", "/tmp/large 20971520", "/tmp/odd\n#1 %41/"]);
    assert_eq!(named(&objects.list(ours.at(), &path("/tmp/a.txt")).await.unwrap()), [""; 0], "a file is no folder");
    assert_eq!(objects.count(ours.at()).await.unwrap(), Usage { files: 5, bytes: 7 + (20 << 20) });

    for (range, wanted) in [
        (ByteRange::FromTo(1, 3), Some("irs")),
        (ByteRange::FromTo(3, 99), Some("st")),
        (ByteRange::From(4), Some("t")),
        (ByteRange::Last(2), Some("st")),
        (ByteRange::Last(99), Some("first")),
        (ByteRange::From(5), None),
        (ByteRange::FromTo(7, 9), None),
        (ByteRange::Last(0), None),
    ] {
        match (got(objects, &ours, "/tmp/a.txt", Some(range)).await, wanted) {
            (Ok((_, bytes)), Some(wanted)) => assert_eq!(bytes, wanted.as_bytes(), "{range:?}"),
            (Err(ObjectsError::Range), None) => {}
            (other, _) => panic!("{range:?}: {other:?}"),
        }
    }

    let (before, after) = (objects.head(ours.at(), &path("/tmp/a.txt")).await.unwrap(), put(objects, &ours, "/tmp/a.txt", b"other").await);
    assert!(before.etag != after.etag && !after.etag.is_empty(), "{before:?} {after:?}");
    assert_eq!(objects.head(ours.at(), &path("/tmp/a.txt")).await.unwrap().etag, after.etag);

    // What is given up leaves nothing, and does not touch what was there.
    for size in [10, 9 << 20] {
        let mut writer = objects.writer(ours.at(), &path("/tmp/a.txt")).unwrap();
        writer.write(vec![0; size].into()).await.unwrap();
        assert_eq!(got(objects, &ours, "/tmp/a.txt", None).await.unwrap().1, b"other");
        writer.abort().await.unwrap();
    }
    assert_eq!(got(objects, &ours, "/tmp/a.txt", None).await.unwrap().1, b"other");

    objects.delete(ours.at(), &path("/tmp/a.txt")).await.unwrap();
    assert!(matches!(got(objects, &ours, "/tmp/a.txt", None).await, Err(ObjectsError::NotFound(_))));
    objects.purge(ours.at()).await.unwrap();
    objects.purge(ours.at()).await.unwrap();
    assert_eq!(objects.count(ours.at()).await.unwrap(), Usage::default());
    assert_eq!(got(objects, &theirs, "/tmp/theirs", None).await.unwrap().1, b"z", "a context whose id only begins the same");
    objects.purge(theirs.at()).await.unwrap();
}

fn local(dir: &tempfile::TempDir) -> Objects {
    Objects::open(&ObjectsLocation::Directory(dir.path().join("objects"))).unwrap()
}

#[tokio::test]
async fn a_directory_passes_the_suite() {
    suite(&local(&tempfile::tempdir().unwrap())).await;
}

#[tokio::test]
async fn memory_passes_the_suite() {
    suite(&Objects::over(Arc::new(object_store::memory::InMemory::new()))).await;
}

/// Against a real server, when the environment names one (`AWS_ENDPOINT_URL` and the rest); the integration tests start one.
#[tokio::test]
async fn a_bucket_passes_the_suite() {
    let Ok(location) = std::env::var("ROADSTEAD_TEST_BUCKET") else { return };
    suite(&Objects::open(&location.parse().unwrap()).unwrap()).await;
}

#[tokio::test]
async fn files_lie_on_disk_under_their_own_names() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, place) = (local(&dir), Place::new("disk"));
    put(&objects, &place, "/tmp/data set/ü.bin", b"bytes").await;
    let file = dir.path().join("objects/tenant-a/SdkCtx-disk/files/tmp/data set/ü.bin");
    assert_eq!(std::fs::read(&file).unwrap(), b"bytes");
    objects.delete(place.at(), &path("/tmp/data set/ü.bin")).await.unwrap();
    assert!(!file.parent().unwrap().exists(), "a folder goes with its last file");
}

#[tokio::test]
async fn a_file_is_no_folder_and_a_folder_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, place) = (local(&dir), Place::new("clash"));
    put(&objects, &place, "/a", b"file").await;
    put(&objects, &place, "/d/x", b"file").await;
    for (name, size) in [("/a/b", 3), ("/a/b", 9 << 20), ("/d", 3)] {
        let mut writer = objects.writer(place.at(), &path(name)).unwrap();
        let written = writer.write(vec![0; size].into()).await;
        let ended = match written {
            Ok(()) => writer.finish().await.map(drop),
            failed => failed,
        };
        assert!(matches!(ended, Err(ObjectsError::Blocked(_))), "{name}: {ended:?}");
    }
    for name in ["/a/b", "/d"] {
        assert!(matches!(objects.head(place.at(), &path(name)).await, Err(ObjectsError::NotFound(_))), "{name}");
        assert!(matches!(got(&objects, &place, name, None).await, Err(ObjectsError::NotFound(_))), "{name}");
        assert!(objects.delete(place.at(), &path(name)).await.is_err(), "{name}");
    }
    assert_eq!(got(&objects, &place, "/a", None).await.unwrap().1, b"file");
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, place) = (local(&dir), Place::new("swept"));
    put(&objects, &place, "/d/kept#7", b"kept").await;
    let folder = dir.path().join("objects/tenant-a/SdkCtx-swept/files/d");
    std::fs::write(folder.join("half#1"), "ha").unwrap();
    assert_eq!(named(&objects.list(place.at(), &ContextPath::folder("/d").unwrap()).await.unwrap()), ["/d/kept#7 4"]);
    objects.sweep(place.at()).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kept%237"]);
    objects.sweep(Place::new("none").at()).await.unwrap();
}
