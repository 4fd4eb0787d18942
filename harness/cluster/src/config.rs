//! The configuration of a cluster's programs: as little as they need to find each other.
//!
//! Flags that are not about an address or a file have these reasons: no fsync, because no cluster outlives its process;
//! no leader election, because there is only one of each; no verification of certificates, because nobody else is in
//! this network.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::image::IMAGE;
use crate::node::{ADDRESS, STATE};

/// The address of the API server, in the node's network.
pub(crate) const SERVER: &str = "https://127.0.0.1:6443";
/// The token of the administrator.
pub(crate) const ADMIN: &str = "admin";
/// The name of the node.
pub(crate) const NODE: &str = "node";
/// The name of the CSI driver, which the driver's source repeats.
pub(crate) const DRIVER: &str = "folder.csi.test";
/// The default StorageClass and VolumeSnapshotClass.
const CLASS: &str = "folder";

const KUBECONFIG: &str = "--kubeconfig=/run/state/kubeconfig";
const CSI: &str = "--csi-address=/run/state/csi.sock";

pub(crate) const ETCD: [&str; 7] = [
    "--data-dir=/run/state/etcd",
    "--listen-client-urls=http://127.0.0.1:2379",
    "--advertise-client-urls=http://127.0.0.1:2379",
    "--listen-peer-urls=http://127.0.0.1:2380",
    "--initial-advertise-peer-urls=http://127.0.0.1:2380",
    "--initial-cluster=default=http://127.0.0.1:2380",
    "--unsafe-no-fsync",
];

pub(crate) const APISERVER: [&str; 14] = [
    "--etcd-servers=http://127.0.0.1:2379",
    "--advertise-address=10.99.0.1",
    "--cert-dir=/run/state/certificates",
    "--service-account-key-file=/run/state/sa.key",
    "--service-account-signing-key-file=/run/state/sa.key",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--token-auth-file=/run/state/tokens.csv",
    "--authorization-mode=Node,RBAC",
    "--service-cluster-ip-range=10.96.0.0/24",
    "--kubelet-preferred-address-types=InternalIP",
    "--allow-privileged",
    // Webhooks behind a Service are reached at its endpoints, because nothing serves its address.
    "--enable-aggregator-routing",
    "--audit-policy-file=/run/state/audit.json",
    "--audit-log-path=/run/state/audit.log",
];

pub(crate) const CONTROLLER_MANAGER: [&str; 6] = [
    KUBECONFIG,
    "--service-account-private-key-file=/run/state/sa.key",
    "--root-ca-file=/run/state/certificates/apiserver.crt",
    "--leader-elect=false",
    "--bind-address=127.0.0.1",
    "--controllers=*,-nodeipam,-node-route-controller,-cloud-node-lifecycle-controller",
];

pub(crate) const SCHEDULER: [&str; 3] = [KUBECONFIG, "--leader-elect=false", "--bind-address=127.0.0.1"];

pub(crate) const KUBELET: [&str; 4] = [
    "--config=/run/state/kubelet.json",
    "--kubeconfig=/run/state/kubelet.kubeconfig",
    "--hostname-override=node",
    "--node-ip=10.99.0.1",
];

pub(crate) const CSI_DRIVER: [&str; 3] = ["--root=/run/state/csi", "--socket=/run/state/csi.sock", "--node=node"];
// Sometimes the provisioner leaves its finalizer on a VolumeSnapshot that it has created a volume from
// (kubernetes-csi/external-provisioner#1507). VolSync's next run then waits until a sweep, every five minutes by
// default.
pub(crate) const CSI_PROVISIONER: [&str; 4] =
    [CSI, KUBECONFIG, "--extra-create-metadata=true", "--snapshot-orphan-sweep-interval=1s"];
pub(crate) const CSI_SNAPSHOTTER: [&str; 2] = [CSI, KUBECONFIG];
pub(crate) const SNAPSHOT_CONTROLLER: [&str; 2] = [KUBECONFIG, "--http-endpoint="];

pub(crate) const VOLSYNC: [&str; 7] = [
    "--kubeconfig",
    "/run/state/kubeconfig",
    "--metrics-bind-address=0",
    "--health-probe-bind-address",
    "127.0.0.1:8081",
    "--restic-container-image",
    IMAGE,
];

/// Writes the files that the flags name.
pub(crate) fn write(state: &Path) -> anyhow::Result<()> {
    let text = |value: Value| value.to_string();
    let tokens = format!("{ADMIN},admin,admin,system:masters\nkubelet,system:node:{NODE},kubelet,system:nodes\n");
    let files = [
        ("tokens.csv", tokens),
        ("kubeconfig", text(kubeconfig(ADMIN))),
        ("kubelet.kubeconfig", text(kubeconfig("kubelet"))),
        ("kubelet.json", text(kubelet(state))),
        ("containerd.toml", containerd()),
        ("audit.json", text(audit())),
    ];
    for (file, contents) in files {
        fs::write(state.join(file), contents)?;
    }
    fs::create_dir(state.join("cni"))?;
    Ok(fs::write(state.join("cni/bridge.conflist"), text(cni()))?)
}

fn kubeconfig(token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": SERVER, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    })
}

/// The API server gets logs from the kubelet without a certificate, because nobody else is in the network.
fn kubelet(state: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": false,
        "failSwapOn": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": Path::new("/").join(state.file_name().unwrap_or_default()),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "address": ADDRESS,
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "resolvConf": "",
        "podLogsDir": format!("{STATE}/pods"),
        "evictionHard": {"memory.available": "50Mi"},
        "imageGCHighThresholdPercent": 100,
    })
}

/// The requests of service accounts, without their content. The programs of the cluster have none.
fn audit() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": true,
        "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
    })
}

/// A configuration of version 2, for containerd 1.6. It adjusts no OOM scores, because the node may lack the right to.
fn containerd() -> String {
    format!(
        r#"version = 2
root = "{STATE}/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{STATE}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{STATE}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#
    )
}

/// Pods reach the node and each other, and nothing else.
fn cni() -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.99.0.0/24", "rangeStart": "10.99.0.10", "gateway": ADDRESS}]],
                "dataDir": "/run/cni",
            },
        }],
    })
}

/// The CSIDriver, the StorageClass and the VolumeSnapshotClass.
pub(crate) fn classes() -> [Value; 3] {
    [
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER},
            "spec": {"attachRequired": false, "podInfoOnMount": false, "fsGroupPolicy": "File",
                     "volumeLifecycleModes": ["Persistent"]},
        }),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": DRIVER, "volumeBindingMode": "Immediate", "reclaimPolicy": "Delete",
        }),
        json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
            "metadata": {"name": CLASS, "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
            "driver": DRIVER, "deletionPolicy": "Delete",
        }),
    ]
}
