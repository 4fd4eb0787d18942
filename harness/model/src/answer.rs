//! Answers: what the core plans for what the host saw.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

use serde_json::json;
use volsync_policy::{Code, HoldId, HostPlan, Inspection, Shared, plan_for_host};

use crate::naming::base;
use crate::objects::Path;
use crate::seen::Seen;
use crate::stored::STORE;
use crate::task::{Task, tasks};
use crate::view::View;

/// The settings and the base credentials for a base.
pub(crate) fn shared(path: Path) -> &'static Shared {
    static SHARED: LazyLock<[Shared; 2]> = LazyLock::new(|| {
        [Path::Right, Path::Wrong].map(|path| {
            let shared = json!({
                "settings": {"ledger": {"storeId": STORE}},
                "credentials": {"stringData": {
                    "RESTIC_REPOSITORY": base(path), "RESTIC_PASSWORD": "password",
                    "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}},
            });
            Shared::from_json(shared.to_string().as_bytes()).expect("settings")
        })
    });
    &SHARED[path as usize]
}

/// What the core answers.
pub struct Answer {
    /// Why.
    pub code: Code,
    /// The name of the hold.
    pub hold: Option<HoldId>,
    /// What to do.
    pub tasks: Vec<Task>,
}

impl Answer {
    fn to(base: Path, seen: &Seen) -> Answer {
        let inspection = seen.write(|it| Inspection::under(shared(base), it.as_bytes()));
        let planned = plan_for_host(&inspection.expect("an inspection"));
        let HostPlan { plan, writes, .. } = &planned;
        Answer {
            tasks: tasks(plan, writes),
            code: plan.verdict.code,
            hold: plan.hold.as_ref().map(|hold| hold.id.clone()),
        }
    }
}

impl View {
    /// The core's answer. The core is a function, so its answers are cached.
    pub fn answer(&self) -> Rc<Answer> {
        thread_local! {
            static ANSWERS: RefCell<HashMap<(Path, Seen), Rc<Answer>>> = RefCell::default();
        }
        let key = (self.base, self.seen());
        ANSWERS.with_borrow_mut(|answers| match answers.get(&key) {
            Some(answer) => Rc::clone(answer),
            None => {
                let answer = Rc::new(Answer::to(key.0, &key.1));
                answers.insert(key, Rc::clone(&answer));
                answer
            }
        })
    }
}
