//! The cluster that a command looks at.

use volsync_policy_host::{Cluster, Sources};

use crate::args::{ClaimInput, ClusterInput};

/// The cluster that the arguments name.
pub(crate) fn connect(input: &ClusterInput) -> anyhow::Result<Cluster> {
    let ClusterInput { kubeconfig, context, host_namespace, config_map, secret, lease } = input;
    let sources =
        Sources { namespace: host_namespace.clone(), settings: config_map.clone(), credentials: secret.clone() };
    Cluster::connect(kubeconfig.as_deref(), context.as_deref(), sources, lease)
}

/// The namespace and the name of a claim.
pub(crate) fn names<'a>(ClaimInput { claim, namespace }: &'a ClaimInput, cluster: &'a Cluster) -> (&'a str, &'a str) {
    let namespace = claim.namespace.as_deref().or(namespace.as_deref());
    (namespace.unwrap_or(cluster.default_namespace()), &claim.name)
}
