//! Requests to the store: S3, with the credentials of a Secret. Answers have the form that the policy reads; see
//! docs/hosts.md.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use http::StatusCode;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig, UpdateVersion};
use serde_json::{Value, json};
use volsync_policy::Condition;
use volsync_policy::evidence::{Digest, Failure};
use volsync_policy::mover::restic::{MoverKey, S3Address};

use crate::authorities::Authorities;
use crate::connector::{Connector, Exchange};
use crate::metrics::{Metrics, Side};

/// The region if the Secret names none. Stores other than AWS accept it.
const REGION: &str = "us-east-1";

/// How long a store that did not answer is not asked again.
const PAUSE: Duration = Duration::from_secs(20);

/// How many buckets are cached. All claims whose Secrets have the same keys share one.
const KEPT: usize = 64;

/// All stores, by their credentials.
pub(crate) struct Stores {
    /// That of stores whose credentials name no certificate authority.
    connector: Connector,
    metrics: Metrics,
    pause: Duration,
    buckets: Mutex<HashMap<Digest, Arc<Bucket>>>,
}

/// A bucket, with credentials for it.
pub(crate) struct Bucket {
    store: AmazonS3,
    metrics: Metrics,
    /// How long the store is not asked again after it did not answer.
    pause: Duration,
    /// Until when the store is not asked, and the failure that is returned until then.
    silence: Mutex<Option<(Instant, Failure)>>,
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was carried out, or the object to copy or delete does not exist.
    Done,
    /// The condition does not hold.
    Conflict,
}

impl Stores {
    pub(crate) fn new(metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Stores { connector: Connector::new()?, metrics, pause: PAUSE, buckets: Mutex::default() })
    }

    /// The stores of a command, which looks again at once where an answer was lost.
    pub(crate) fn of_command() -> anyhow::Result<Self> {
        Ok(Stores { pause: Duration::ZERO, ..Stores::new(Metrics::new())? })
    }

    /// The bucket that a Secret names, with the access key in the Secret `key`, which may be the same.
    ///
    /// # Errors
    ///
    /// The one Secret names no S3 bucket, or the other has no access key.
    pub(crate) fn bucket(&self, secret: &Value, key: &Value) -> Result<Arc<Bucket>, Failure> {
        let repository = value(secret, "RESTIC_REPOSITORY").ok_or(Failure::NotTried)?;
        if !repository.starts_with("s3:") {
            return Err(Failure::Unsupported);
        }
        let address = S3Address::parse(repository.trim()).ok_or(Failure::Malformed)?;
        let key_id = value(key, "AWS_ACCESS_KEY_ID").ok_or(Failure::Denied)?;
        let secret_key = value(key, "AWS_SECRET_ACCESS_KEY").ok_or(Failure::Denied)?;
        let token = value(key, "AWS_SESSION_TOKEN").unwrap_or_default();
        let region = value(secret, "AWS_DEFAULT_REGION").unwrap_or_else(|| REGION.to_owned());

        let authorities = value(secret, MoverKey::AUTHORITIES.as_str()).filter(|authorities| !authorities.is_empty());

        let parts = json!([address.endpoint, address.bucket, key_id, secret_key, token, region, authorities]);
        let id = Digest::of(parts.to_string().as_bytes());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(&id) {
            return Ok(bucket.clone());
        }
        let connector = match authorities {
            Some(authorities) => {
                Connector::trusting(Authorities::parse(authorities.as_bytes()).map_err(|_| Failure::Malformed)?)
            }
            None => self.connector.clone(),
        };
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(connector)
            .with_endpoint(address.endpoint)
            .with_allow_http(true)
            .with_bucket_name(address.bucket)
            .with_region(region)
            .with_access_key_id(key_id)
            .with_secret_access_key(secret_key)
            .with_disable_bulk_delete(true)
            // A conditional write that had succeeded would fail when it is retried.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
        if !token.is_empty() {
            builder = builder.with_token(token);
        }
        let store = builder.build().map_err(|_| Failure::Malformed)?;
        let bucket =
            Arc::new(Bucket { store, metrics: self.metrics.clone(), pause: self.pause, silence: Mutex::default() });
        if buckets.len() >= KEPT {
            buckets.clear();
        }
        buckets.insert(id, bucket.clone());
        Ok(bucket)
    }
}

impl Bucket {
    /// Lists all keys below a prefix, up to the next slash.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Value, Failure> {
        let folder = path(prefix.trim_end_matches('/'))?;
        let (found, exchange) = self.ask(self.store.list_with_delimiter(Some(&folder))).await?;
        // If there are no keys, S3 returns an empty listing. So this answer is not from S3, and proves nothing.
        let found = found.ok_or(Failure::Malformed)?;
        let objects = found.objects.iter().filter(|object| object.location.as_ref().starts_with(prefix));
        let objects = objects.map(|object| {
            let written = humantime::format_rfc3339_millis(SystemTime::from(object.last_modified)).to_string();
            json!({"key": object.location.as_ref(), "lastModified": written})
        });
        let folders = found.common_prefixes.iter().map(|folder| format!("{folder}/"));
        Ok(json!({"listing": objects.collect::<Vec<_>>(), "prefixes": folders.collect::<Vec<_>>(),
                  "date": exchange.date}))
    }

    /// The keys below a prefix, in all folders.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let folder = path(prefix.trim_end_matches('/'))?;
        let listed = self.store.list(Some(&folder)).map_ok(|object| object.location.to_string()).try_collect();
        let (found, _) = self.ask(listed).await?;
        found.ok_or(Failure::Malformed)
    }

    /// Reads an object, as an answer of `seen`.
    pub(crate) async fn get(&self, key: &str) -> Result<Value, Failure> {
        let (found, exchange) = self.read_with_date(key).await?;
        Ok(match found {
            None => json!({"absent": true, "date": exchange.date}),
            Some((bytes, etag)) => json!({"bytes": STANDARD.encode(bytes), "etag": etag, "date": exchange.date}),
        })
    }

    /// The content of an object, and its ETag; `None` where it does not exist.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<(Bytes, Option<String>)>, Failure> {
        self.read_with_date(key).await.map(|(found, _)| found)
    }

    async fn read_with_date(&self, key: &str) -> Result<(Option<(Bytes, Option<String>)>, Exchange), Failure> {
        let path = path(key)?;
        let read = async {
            let found = self.store.get(&path).await?;
            let etag = found.meta.e_tag.clone();
            Ok((found.bytes().await?, etag))
        };
        self.ask(read).await
    }

    /// Writes an object, under a condition if there is one.
    pub(crate) async fn put(&self, key: &str, text: &str, condition: Option<&Condition>) -> Result<Written, Failure> {
        let mode = match condition {
            None => PutMode::Overwrite,
            Some(Condition::IfNoneMatch(_)) => PutMode::Create,
            Some(Condition::IfMatch(etag)) => {
                PutMode::Update(UpdateVersion { e_tag: Some(etag.clone()), version: None })
            }
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        let written = self.ask(self.store.put_opts(&path(key)?, text.to_owned().into(), options)).await?;
        Ok(if written.0.is_some() { Written::Done } else { Written::Conflict })
    }

    /// Copies an object. It is not an error if it does not exist.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<Written, Failure> {
        self.ask(self.store.copy(&path(from)?, &path(to)?)).await.map(|_| Written::Done)
    }

    /// Deletes an object. It is not an error if it does not exist.
    pub(crate) async fn remove(&self, key: &str) -> Result<Written, Failure> {
        self.ask(self.store.delete(&path(key)?)).await.map(|_| Written::Done)
    }

    /// Runs a request. The result is `None` if the object does not exist or the condition does not hold. If the store
    /// did not answer, it is not asked again for a while, so that an outage costs one request instead of one for each
    /// claim.
    async fn ask<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<(Option<T>, Exchange), Failure> {
        let silence = || self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((_, failure)) = silence().filter(|(until, _)| now < *until) {
            return Err(failure);
        }
        let (answer, exchange) = Exchange::of(request).await;
        let found = match (answer, exchange.failure, exchange.status) {
            (Ok(answer), _, _) => Ok(Some(answer)),
            (Err(_), Some(failure), _) => Err(failure),
            (Err(_), None, Some(StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)) => {
                Ok(None)
            }
            (Err(_), None, _) => Err(Failure::Malformed),
        };
        let is_silent = matches!(exchange.failure, Some(Failure::Unreachable | Failure::Timeout));
        *silence() = exchange.failure.filter(|_| is_silent).map(|failure| (Instant::now() + self.pause, failure));
        self.metrics.request(Side::Store, found.as_ref().err().map(|failure| failure.as_str()));
        found.map(|found| (found, exchange))
    }
}

/// The answer of a read as the policy reads it, where the read may have failed.
pub(crate) fn answer(read: Result<Value, Failure>) -> Value {
    read.unwrap_or_else(|failure| json!({"failed": failure.as_str()}))
}

fn path(key: &str) -> Result<Path, Failure> {
    Path::parse(key).map_err(|_| Failure::Unsupported)
}

/// A value of a Secret, as text. Only a Secret from a file has `stringData`, which wins, as in the API server.
fn value(secret: &Value, key: &str) -> Option<String> {
    if let Some(text) = secret.get("stringData").and_then(|data| data.get(key)?.as_str()) {
        return Some(text.to_owned());
    }
    String::from_utf8(STANDARD.decode(secret.get("data")?.get(key)?.as_str()?).ok()?).ok()
}
