use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_stream::StreamExt as _;

use super::*;

fn link(uri: impl Into<String>) -> ResourceLink {
    ResourceLink {
        uri: uri.into(),
        ..ResourceLink::default()
    }
}

fn links(count: usize) -> Vec<ResourceLink> {
    (0..count).map(|number| link(format!("{number:05}"))).collect()
}

/// All pages, and the cursors between them.
fn pages(all: &[ResourceLink]) -> (Vec<Vec<String>>, Vec<String>) {
    let (mut pages, mut cursors) = (vec![], vec![]);
    let mut cursor: Option<String> = None;
    loop {
        let page = Page::of(all.to_vec(), cursor.as_deref()).expect("a page");
        pages.push(page.resources.into_iter().map(|resource| resource.uri).collect());
        cursor = page.next_cursor;
        match &cursor {
            Some(cursor) => cursors.push(cursor.clone()),
            None => return (pages, cursors),
        }
    }
}

#[test]
fn a_list_is_paged_in_one_order_whatever_order_it_comes_in() {
    let mut all = links(PAGE + 1);
    all.reverse();
    all.push(link("00000"));
    let (pages, cursors) = pages(&all);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [PAGE, 1]);
    assert_eq!(cursors.len(), 1);
    let flat = pages.concat();
    assert!(flat.is_sorted_by(|one, other| one < other));
}

#[test]
fn a_full_page_is_the_last_when_nothing_is_behind_it() {
    assert_eq!(pages(&links(PAGE)).0.len(), 1);
    assert_eq!(pages(&[]).0, [Vec::<String>::new()]);
}

#[test]
fn no_more_is_listed_than_is_worth_choosing_from() {
    let (pages, _) = pages(&links(LISTED + 500));
    assert_eq!(pages.concat().len(), LISTED);
}

#[test]
fn a_page_goes_on_where_the_last_ended_also_when_the_list_has_changed() {
    let (_, cursors) = pages(&links(PAGE + 2));
    let mut changed = links(PAGE + 2);
    changed.drain(..50);
    changed.push(link("00000a"));
    let page = Page::of(changed, Some(&cursors[0])).expect("a page");
    let uris: Vec<&str> = page
        .resources
        .iter()
        .map(|resource| resource.uri.as_str())
        .collect();
    assert_eq!(uris, ["00100", "00101"]);
}

#[test]
fn a_cursor_that_is_none_is_refused_in_the_usual_words() {
    let foreign = Statement::of([b"select 1".as_slice()]).cursor(5);
    for cursor in ["x", "!", &foreign] {
        let fault = Page::of(links(1), Some(cursor)).expect_err(cursor);
        assert_eq!(fault.metadata["field"], "cursor");
    }
    assert!(Page::of(links(1), Some("")).is_ok(), "an empty one is none");
}

/// A list that tests change.
#[derive(Default)]
struct List {
    resources: Mutex<Vec<ResourceLink>>,
    fails: Mutex<Option<Fault>>,
    looks: AtomicUsize,
}

impl List {
    fn set(&self, resources: Vec<ResourceLink>) {
        *self.resources.lock().expect("no panic") = resources;
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }
}

#[tonic::async_trait]
impl Resources for List {
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        if cursor.is_none() {
            self.looks.fetch_add(1, Ordering::Relaxed);
        }
        let fails = self.fails.lock().expect("no panic").clone();
        match fails {
            Some(fault) if fault.reason == Reason::Internal => panic!("a fault of ours"),
            Some(fault) => Err(fault),
            None => Page::of(self.resources.lock().expect("no panic").clone(), cursor),
        }
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        Err(not_found(uri))
    }
}

struct Watched {
    list: Arc<List>,
    changed: Changed,
    lifecycle: Lifecycle,
    service: Service,
}

impl Watched {
    fn new() -> Self {
        let (list, changed, lifecycle) = (Arc::<List>::default(), Changed::default(), Lifecycle::new());
        let service = Service::new(list.clone(), changed.clone(), lifecycle.clone());
        Self {
            list,
            changed,
            lifecycle,
            service,
        }
    }

    async fn watch(&self) -> Stream<WatchResourcesResponse> {
        let request = Request::new(WatchResourcesRequest {});
        self.service
            .watch_resources(request)
            .await
            .expect("watches")
            .into_inner()
    }
}

type Watch = Stream<WatchResourcesResponse>;

async fn next(watch: &mut Watch) -> Vec<u8> {
    watch.next().await.expect("goes on").expect("no fault").digest
}

/// Whether nothing comes for so long.
async fn silent(watch: &mut Watch, time: Duration) -> bool {
    tokio::time::timeout(time, watch.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_the_beginning_and_then_each_change() {
    let watched = Watched::new();
    watched.list.set(links(250));
    let mut watch = watched.watch().await;
    let beginning = next(&mut watch).await;
    assert!(silent(&mut watch, LOOK_EVERY * 3).await);
    watched.list.set(links(249));
    let begun = tokio::time::Instant::now();
    let changed = next(&mut watch).await;
    assert!(begun.elapsed() <= LOOK_EVERY);
    assert_ne!(changed, beginning);
    watched.list.set(links(250));
    assert_eq!(next(&mut watch).await, beginning);
    // Another replica sees the same.
    let other = Watched::new();
    other.list.set(links(250));
    assert_eq!(next(&mut other.watch().await).await, beginning);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_told_is_seen_at_once_and_many_are_seen_by_one_look() {
    let watched = Watched::new();
    let mut watch = watched.watch().await;
    next(&mut watch).await;
    let looks = watched.list.looks();
    watched.list.set(links(1));
    for _ in 0..1_000 {
        watched.changed.perhaps();
    }
    let begun = tokio::time::Instant::now();
    // Another that is done before the look is seen by it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    watched.changed.perhaps();
    next(&mut watch).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(silent(&mut watch, Duration::from_secs(20)).await);
    assert_eq!(watched.list.looks(), looks + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_choice_is_no_change() {
    let watched = Watched::new();
    watched.list.set(links(1));
    let mut watch = watched.watch().await;
    next(&mut watch).await;
    let mut estimate = links(1);
    estimate[0].description = "about 5 rows".to_owned();
    watched.list.set(estimate);
    assert!(silent(&mut watch, LOOK_EVERY * 2).await);
    let mut titled = links(1);
    titled[0].title = "Orders".to_owned();
    watched.list.set(titled);
    next(&mut watch).await;
}

#[tokio::test(start_paused = true)]
async fn all_watchers_share_a_look_and_without_any_there_is_none() {
    let watched = Watched::new();
    let (mut one, mut other) = (watched.watch().await, watched.watch().await);
    assert_eq!(next(&mut one).await, next(&mut other).await);
    assert_eq!(watched.list.looks(), 1);
    // A third begins with what is known.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut third = watched.watch().await;
    assert!(!silent(&mut third, Duration::from_millis(1)).await);
    assert_eq!(watched.list.looks(), 1);
    drop((one, other, third));
    tokio::time::sleep(LOOK_EVERY * 5).await;
    assert_eq!(watched.list.looks(), 1);
    // And who comes later is told what is there by then.
    let empty = next(&mut watched.watch().await).await;
    watched.list.set(links(1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_ne!(next(&mut watched.watch().await).await, empty);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_no_change() {
    let watched = Watched::new();
    let fails = |fault| *watched.list.fails.lock().expect("no panic") = fault;
    fails(Some(Fault::busy()));
    let mut watch = watched.watch().await;
    assert!(silent(&mut watch, LOOK_EVERY * 2).await, "nothing is known");
    fails(None);
    next(&mut watch).await;
    fails(Some(Fault::busy()));
    assert!(silent(&mut watch, LOOK_EVERY * 2).await);
    fails(None);
    assert!(silent(&mut watch, LOOK_EVERY * 2).await, "it is as it was");
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_the_process_and_is_never_silent_for_good() {
    let watched = Watched::new();
    let mut watch = watched.watch().await;
    next(&mut watch).await;
    // A look that panics.
    *watched.list.fails.lock().expect("no panic") = Some(Fault::new(Reason::Internal, ""));
    let status = watch.next().await.expect("told").expect_err("a fault");
    assert_eq!(Fault::from_status(&status).reason, Reason::DatabaseUnavailable);
    *watched.list.fails.lock().expect("no panic") = None;
    let mut watch = watched.watch().await;
    next(&mut watch).await;
    watched.lifecycle.stop();
    assert!(watch.next().await.expect("told").is_err());
    assert!(watch.next().await.is_none());
}

/// A list that has always one more page, of so many resources.
struct Endless(usize, AtomicUsize);

#[tonic::async_trait]
impl Resources for Endless {
    async fn list(&self, _: Option<&str>) -> Result<Page, Fault> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(Page {
            resources: links(self.0),
            next_cursor: Some("more".to_owned()),
        })
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        Err(not_found(uri))
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_has_an_end_also_when_the_list_has_none() {
    for (size, pages) in [(PAGE, LISTED / PAGE), (0, 1)] {
        let list = Arc::new(Endless(size, AtomicUsize::new(0)));
        let service = Service::new(list.clone(), Changed::default(), Lifecycle::new());
        let watch = service
            .watch_resources(Request::new(WatchResourcesRequest {}))
            .await;
        next(&mut watch.expect("watches").into_inner()).await;
        assert_eq!(list.1.load(Ordering::Relaxed), pages);
    }
}

#[tokio::test(start_paused = true)]
async fn where_one_text_of_a_resource_ends_matters() {
    let digest = async |uri: &str, name: &str| {
        let watched = Watched::new();
        let mut resource = link(uri);
        resource.name = name.to_owned();
        watched.list.set(vec![resource]);
        next(&mut watched.watch().await).await
    };
    assert_ne!(digest("ab", "").await, digest("a", "b").await);
}
