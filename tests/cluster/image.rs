//! The host in its own image, as pods with as few rights as pods can have.

use std::fs;

use anyhow::Context;
use serde_json::{Value, json};
use volsync_policy_tests::root;

use crate::admission::kubectl_does;
use crate::app::App;
use crate::{World, host, tests};

tests![a_claim_is_protected_by_pods_that_contain_only_the_program_and_may_do_little];

/// The image has no certificate authorities, no time zones, no users and no shell. Its root is read-only, and it has no
/// writable volume.
fn a_claim_is_protected_by_pods_that_contain_only_the_program_and_may_do_little(world: &World) -> anyhow::Result<()> {
    let world = &World::without_host(&world.store)?;
    host::install(world)?;
    world.cluster.load(&root().join("target/oci/volsync-policy.tar")).context("`cargo xtask image` comes first")?;
    let restricted = ["label", "namespace", host::NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"];
    kubectl_does(world, &restricted, &Value::Null)?;

    let mut deployment: Value = serde_saphyr::from_str(&fs::read_to_string(root().join("examples/host.yaml"))?)?;
    // In this cluster, no Service leads anywhere.
    let container = deployment.pointer_mut("/spec/template/spec/containers/0").context("no container")?;
    container["env"] = json!([
        {"name": "KUBERNETES_SERVICE_HOST", "value": "10.99.0.1"},
        {"name": "KUBERNETES_SERVICE_PORT", "value": "6443"},
    ]);
    let namespace = world.namespace(host::NAMESPACE)?;
    namespace.apply(&deployment)?;
    let are_ready = |deployment: &Value| deployment.pointer("/status/availableReplicas") == Some(&json!(2));
    namespace.wait("Deployment", "volsync-policy", "two pods that are ready", are_ready)?;

    App::new(world, "image")?.protect()
}
