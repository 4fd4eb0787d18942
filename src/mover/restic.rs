//! restic: how it is told of a repository, and what that looks like.

/// A repository on S3, as restic reads its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    /// Scheme and host: `https://s3.example.com`, which restic assumes where no scheme is written.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// What stands before every key in the bucket, without a slash at its ends; may be empty.
    pub prefix: String,
}

impl S3Address {
    /// Reads `s3:host/bucket/prefix` or `s3:https://host/bucket/prefix`; nothing where it is no address of a bucket, or
    /// where it holds a password.
    pub fn parse(repository: &str) -> Option<Self> {
        let address = repository.strip_prefix("s3:")?;
        let (scheme, location) = match address.split_once("://") {
            Some((scheme @ ("http" | "https"), location)) => (scheme, location),
            Some(_) => return None,
            None => ("https", address.trim_start_matches('/')),
        };
        let (host, path) = location.split_once('/')?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let is_plain = !host.is_empty() && !host.contains('@') && !bucket.is_empty();
        is_plain.then(|| S3Address {
            endpoint: format!("{scheme}://{host}"),
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_endpoint_bucket_and_prefix() {
        let read = |repository: &str| {
            S3Address::parse(repository).map(|it| format!("{} {} {}", it.endpoint, it.bucket, it.prefix))
        };
        for (repository, parts) in [
            ("s3:http://s3.local:9000/backups/shop/data", "http://s3.local:9000 backups shop/data"),
            ("s3:s3.local/backups", "https://s3.local backups "),
            ("s3:https://s3.local/backups/", "https://s3.local backups "),
        ] {
            assert_eq!(read(repository).as_deref(), Some(parts));
        }
        for repository in ["rest:http://h/b", "s3:http://h", "s3:http://h/", "s3:ftp://h/b", "s3:http://k:s@h/b", "s3:"] {
            assert_eq!(read(repository), None, "{repository}");
        }
    }
}
