//! A survey of a cluster with many claims, on an API server that answers what the test says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that panics fails its test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use volsync_policy_host::{Cluster, Scope, Sources, Survey};

/// As many objects as a page has.
const PAGE: usize = 500;

/// An API server, and the paths that it was asked for.
struct ApiServer {
    cluster: Cluster,
    asked: Arc<Mutex<Vec<String>>>,
    _kubeconfig: tempfile::NamedTempFile,
}

impl ApiServer {
    /// Answers with the object or the list at a path.
    fn start(answer: impl Fn(&str) -> Option<Value> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let paths = asked.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (paths, answer) = (paths.clone(), answer.clone());
                thread::spawn(move || serve(&connection.unwrap(), &paths, answer.as_ref()));
            }
        });
        let mut kubeconfig = tempfile::NamedTempFile::new().unwrap();
        let context = |name: &str, namespace: &str| {
            let of_it = json!({"cluster": "c", "user": "u", "namespace": namespace});
            json!({"name": name, "context": of_it})
        };
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "one",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}], "contexts": [context("one", "shop"), context("other", "bank")]});
        kubeconfig.write_all(config.to_string().as_bytes()).unwrap();
        let cluster = Cluster::connect(Some(kubeconfig.path()), None, sources(), "volsync-policy").unwrap();
        let other = Cluster::connect(Some(kubeconfig.path()), Some("other"), sources(), "volsync-policy").unwrap();
        assert_eq!((cluster.default_namespace(), other.default_namespace()), ("shop", "bank"));
        ApiServer { cluster, asked, _kubeconfig: kubeconfig }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn sources() -> Sources {
    let name = |name: &str| name.to_owned();
    Sources { namespace: name("system"), settings: name("volsync-policy"), credentials: name("volsync-policy-base") }
}

fn serve(mut connection: &TcpStream, asked: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Option<Value>) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    // One request after another, without bodies.
    while let Some(request) = lines.next() {
        let target = request.split(' ').nth(1).unwrap().to_owned();
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let found = answer(&target);
        asked.lock().unwrap().push(target);
        let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
        let failure = || json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404});
        let body = found.unwrap_or_else(failure).to_string();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        write!(connection, "{head}\r\n\r\n{body}").unwrap();
    }
}

/// The page of a list that a target asks for.
fn page(target: &str, all: &[Value]) -> Value {
    let after = target.split("continue=").nth(1).and_then(|it| it.split('&').next());
    let after: usize = after.unwrap_or_default().parse().unwrap_or(0);
    assert!(target.contains(&format!("limit={PAGE}&")), "{target}");
    let end = (after + PAGE).min(all.len());
    let next = if end < all.len() { end.to_string() } else { String::new() };
    json!({"metadata": {"continue": next}, "items": all[after..end]})
}

fn ago(minutes: u64) -> String {
    humantime::format_rfc3339_seconds(SystemTime::now() - Duration::from_secs(minutes * 60)).to_string()
}

/// A claim that the host has released.
fn claim(number: usize) -> Value {
    let record = json!({"version": 1, "uid": format!("uid-{number}"), "term": 1,
        "volume": {"driver": "d", "handle": "h"}, "fingerprint": "0".repeat(64)});
    json!({
        "metadata": {"namespace": "shop", "name": format!("data-{number}"), "uid": format!("uid-{number}"),
            "creationTimestamp": ago(10_000), "labels": {"backup": "hourly"},
            "annotations": {"volsync-policy.io/released": record.to_string()}, "managedFields": [{}]},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound"},
    })
}

/// The ReplicationSource of a claim, whose last backup was so many minutes ago.
fn source(number: usize, minutes: u64) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": format!("data-{number}-backup"), "creationTimestamp": ago(10_000),
            "labels": {"app.kubernetes.io/managed-by": "volsync-policy"},
            "annotations": {"volsync-policy.io/claim-uid": format!("uid-{number}")}},
        "spec": {"sourcePVC": format!("data-{number}")},
        "status": {"lastSyncTime": ago(minutes)},
    })
}

/// What an API server answers with these claims and ReplicationSources, and a host that renewed its Lease so many
/// minutes ago.
fn world(claims: Vec<Value>, sources: Vec<Value>, renewed: u64) -> impl Fn(&str) -> Option<Value> {
    move |target| {
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        let is_of_shop = path.contains("/namespaces/shop/");
        match path.rsplit('/').next()? {
            "volsync-policy" if path.contains("/configmaps/") => Some(json!({"data": {"settings.yaml": "{}"}})),
            "volsync-policy" => Some(json!({"spec": {"holderIdentity": "a", "renewTime": ago(renewed)}})),
            "replicationsources" => Some(page(target, &sources)),
            "replicationdestinations" => Some(page(target, &[])),
            "persistentvolumeclaims" => {
                assert!(!is_of_shop || target.contains("labelSelector=backup"), "{target}");
                Some(page(target, &claims))
            }
            _ => None,
        }
    }
}

/// The names of the claims, each with the word for how it is.
fn words(survey: &Survey) -> Vec<(String, String)> {
    survey.claims.iter().map(|claim| (claim.name.clone(), claim.health.word().to_owned())).collect()
}

#[test]
fn ten_thousand_claims_are_read_in_pages_and_none_on_its_own() {
    let mut claims: Vec<Value> = (0..10_000).map(claim).collect();
    claims[7_001]["metadata"]["annotations"]["volsync-policy.io/attention"] =
        json!(format!("{} UnrestoredVolume: There are backups.", ago(60)));
    let sources = (0..10_000).map(|number| source(number, if number == 9_999 { 300 } else { 10 })).collect();
    let server = ApiServer::start(world(claims, sources, 0));
    let survey = server.cluster.survey(None, Scope::All).unwrap();
    let told = words(&survey);
    let expected = [("data-7001", "UnrestoredVolume"), ("data-9999", "Overdue"), ("data-0", "Protected")];
    assert_eq!(told[..3], expected.map(|(name, word)| (name.to_owned(), word.to_owned())));
    assert_eq!(told.len(), 10_000);
    // Settings, the Lease, the list without any object, and twenty pages of two lists.
    assert_eq!(server.asked().len(), 43, "{:?}", server.asked());
}

#[test]
fn of_one_namespace_only_its_lists_are_read() {
    let server = ApiServer::start(world(vec![claim(1)], vec![source(1, 10)], 0));
    let survey = server.cluster.survey(Some("shop"), Scope::Labelled).unwrap();
    assert_eq!(words(&survey), [("data-1".to_owned(), "Protected".to_owned())]);
    let lists: Vec<String> = server.asked().into_iter().filter(|path| path.contains("limit=")).collect();
    assert!(lists.len() == 3 && lists.iter().all(|path| path.contains("/namespaces/shop/")), "{lists:?}");
}

#[test]
fn a_host_that_is_silent_makes_everything_unknown() {
    let server = ApiServer::start(world(vec![claim(1)], vec![source(1, 10)], 6));
    let survey = server.cluster.survey(None, Scope::All).unwrap();
    assert_eq!(words(&survey), [("data-1".to_owned(), "Unknown".to_owned())]);
}

#[test]
fn a_source_of_another_name_or_claim_is_not_the_claims_backup() {
    let mut renamed = source(1, 10);
    renamed["metadata"]["name"] = json!("data-1-other");
    let mut earlier = source(2, 10);
    earlier["metadata"]["annotations"]["volsync-policy.io/claim-uid"] = json!("uid-of-an-earlier-claim");
    let server = ApiServer::start(world(vec![claim(1), claim(2)], vec![renamed, earlier], 0));
    let survey = server.cluster.survey(None, Scope::All).unwrap();
    assert!(words(&survey).iter().all(|(_, word)| word == "Unknown"), "{survey:?}");
}

#[test]
fn without_volsync_nothing_can_be_said() {
    let all = world(Vec::new(), Vec::new(), 0);
    let server = ApiServer::start(move |target| all(target).filter(|_| !target.contains("replicationsources")));
    let error = server.cluster.survey(None, Scope::All).unwrap_err();
    assert_eq!(error.to_string(), "this cluster has no ReplicationSource: VolSync is not installed");
}
