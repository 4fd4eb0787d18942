//! An S3 client. Its answers have the form that the policy reads, see docs/hosts.md.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Credentials, S3Action, UrlStyle};
use serde_json::{Value, json};
use ureq::http::{Request, Response};
use ureq::{Agent, Body};
use volsync_policy::Condition;
use volsync_policy::mover::restic::S3Address;
use volsync_policy_cluster::{STORE, Store, text};

/// The validity of a signature, and the timeout of a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bucket, with credentials for it.
pub(crate) struct Bucket {
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
}

impl Bucket {
    /// The bucket that a Secret names. Pods reach the store in the cluster's network, this process on loopback.
    pub(crate) fn of(store: &Store, secret: &Value) -> anyhow::Result<Self> {
        let value = |key: &str| match text(&secret["stringData"], &format!("/{key}")) {
            "" => Ok(String::from_utf8(STANDARD.decode(text(&secret["data"], &format!("/{key}")))?)?),
            plain => anyhow::Ok(plain.to_owned()),
        };
        let address = S3Address::parse(&value("RESTIC_REPOSITORY")?).context("not on S3")?;
        let endpoint = address.endpoint.replace(STORE, &store.address().to_string()).parse()?;
        Ok(Bucket {
            bucket: rusty_s3::Bucket::new(endpoint, UrlStyle::Path, address.bucket, "us-east-1")?,
            credentials: Credentials::new(value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?),
        })
    }

    /// Lists all pages of the keys below a prefix, up to the next slash.
    pub(crate) fn list(&self, prefix: &str) -> Value {
        let (mut objects, mut prefixes, mut token) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix);
            action.with_delimiter("/");
            if let Some(token) = token.take() {
                action.with_continuation_token(token);
            }
            let mut response = match send(action, &[], &[]) {
                Ok(response) if response.status().is_success() => response,
                answer => return failed(answer),
            };
            let read = response.body_mut().read_to_string().map(|body| ListObjectsV2::parse_response(&body));
            let Ok(Ok(page)) = read else { return json!({"failed": "malformed"}) };
            objects.extend(page.contents.iter().map(|it| json!({"key": it.key, "lastModified": it.last_modified})));
            prefixes.extend(page.common_prefixes.into_iter().map(|it| it.prefix));
            token = page.next_continuation_token;
            if token.is_none() {
                return json!({"listing": objects, "prefixes": prefixes, "date": header(&response, "date")});
            }
        }
    }

    /// Reads an object.
    pub(crate) fn get(&self, key: &str) -> Value {
        let mut response = match send(self.bucket.get_object(Some(&self.credentials), key), &[], &[]) {
            Ok(response) if response.status().is_success() => response,
            answer => return failed(answer),
        };
        let Ok(bytes) = response.body_mut().read_to_vec() else { return json!({"failed": "malformed"}) };
        let [etag, date] = ["etag", "date"].map(|name| header(&response, name));
        json!({"bytes": STANDARD.encode(bytes), "etag": etag, "date": date})
    }

    /// Writes an object.
    pub(crate) fn put(&self, key: &str, text: &str) -> anyhow::Result<()> {
        let mut response = send(self.bucket.put_object(Some(&self.credentials), key), &[], text.as_bytes())?;
        let status = response.status();
        ensure!(status.is_success(), "the store answers {status}: {}", response.body_mut().read_to_string()?);
        Ok(())
    }

    /// Gives the bucket a policy, as S3 defines it.
    pub(crate) fn allow(&self, policy: &Value) -> anyhow::Result<()> {
        let mut put = self.bucket.put_object(Some(&self.credentials), "");
        put.query_mut().insert("policy", "");
        let mut response = send(put, &[], policy.to_string().as_bytes())?;
        let status = response.status();
        ensure!(status.is_success(), "the store answers {status}: {}", response.body_mut().read_to_string()?);
        Ok(())
    }

    /// Writes an object under a condition, and returns the status of the answer.
    pub(crate) fn put_if(&self, condition: &Condition, key: &str, text: &str) -> anyhow::Result<u16> {
        let header = match condition {
            Condition::IfMatch(etag) => ("if-match", etag.as_str()),
            Condition::IfNoneMatch(all) => ("if-none-match", all.as_ref()),
        };
        let response = send(self.bucket.put_object(Some(&self.credentials), key), &[header], text.as_bytes())?;
        Ok(response.status().as_u16())
    }
}

/// The seconds between two answers by the store's clock, if both have a date.
pub(crate) fn seconds_between(earlier: &Value, later: &Value) -> Option<u64> {
    let [earlier, later] = [earlier, later].map(|answer| httpdate::parse_http_date(text(answer, "/date")).ok());
    Some(later?.duration_since(earlier?).unwrap_or_default().as_secs())
}

fn send<'a, A: S3Action<'a>>(action: A, headers: &[(&str, &str)], body: &[u8]) -> Result<Response<Body>, ureq::Error> {
    static AGENT: LazyLock<Agent> = LazyLock::new(|| {
        Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
    });
    let request = Request::builder().method(A::METHOD.to_str()).uri(action.sign(PATIENCE).as_str());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    if body.is_empty() { AGENT.run(request.body(())?) } else { AGENT.run(request.body(body)?) }
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// The answer for a request that failed: absent, or the class of the failure.
fn failed(answer: Result<Response<Body>, ureq::Error>) -> Value {
    let mut response = match answer {
        Ok(response) => response,
        Err(ureq::Error::Timeout(_)) => return json!({"failed": "timeout"}),
        Err(_) => return json!({"failed": "unreachable"}),
    };
    let date = header(&response, "date");
    let body = response.body_mut().read_to_string().unwrap_or_default();
    match response.status().as_u16() {
        404 if body.contains("<Code>NoSuchBucket</Code>") => json!({"failed": "storeMissing"}),
        404 => json!({"absent": true, "date": date}),
        401 | 403 => json!({"failed": "denied"}),
        500.. => json!({"failed": "unreachable"}),
        _ => json!({"failed": "malformed"}),
    }
}
