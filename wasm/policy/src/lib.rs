//! The policy as a waPC guest: what Kubewarden, our own host and any other waPC host load.
//!
//! It adds nothing to [`volsync_policy::guest`], so that what is tested natively is what runs here.
#![cfg(target_arch = "wasm32")]

/// Called by the host once, before anything else.
// SAFETY: waPC looks the symbol up by this name, and nothing else in the module has it.
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    for (name, operation) in volsync_policy::guest::OPERATIONS {
        wapc_guest::register_function(name, operation);
    }
}
