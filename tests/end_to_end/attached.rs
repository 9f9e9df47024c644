//! Probes of each kind, set by the library: what takes a command half a second is done twenty times then.

use grtmon::{
    probe::{
        Plan, Probes,
        gc::{self, GcProbes, Wanted},
        gm::{self, GmProbes},
        gr::{self, GrProbes},
        kernel::Kernel,
        method::{self, Method},
        place::Place,
        sched::{self, SchedProbes},
    },
    target::{Target, checked::Checked},
};

/// Sets probes of one kind.
type Attach<'t> = Box<dyn Fn() -> Box<dyn Probes> + 't>;

/// How goroutines are remembered here: a few of them.
const GOROUTINES: u32 = 10_000;

pub(crate) fn place(target: &Target, plan: &impl Plan) -> Place {
    let best: Method = method::best(&Kernel::current().unwrap()).0;
    Place::of(target, best.for_sites(plan.sites().len())).unwrap()
}

/// All kinds: those of `gr --queue`, `gr seq --by fn`, `gm`, `gc` and `sched --by fn`, with stacks or without. Planned once.
pub(crate) fn kinds<'t>(target: &'t Target, stacks: bool) -> [Attach<'t>; 5] {
    let checked = Checked::of(target);
    let events = gr::Options {
        queue: true,
        ..gr::Options::events(1024, GOROUTINES)
    };
    let by_fn = gr::Options {
        by_process: true,
        ..gr::Options::histograms(true, GOROUTINES)
    };
    let times = sched::Options {
        by_fn: true,
        by_process: true,
        stacks,
        sample: 1,
        max_goroutines: GOROUTINES,
        max_apart: 1024,
        max_stacks: 1024,
    };
    let of_gr = |options: gr::Options| -> Attach<'t> {
        let plan = gr::Plan::of(&checked, &options).unwrap();
        Box::new(move || {
            let place = place(target, &plan);
            let mut probes = GrProbes::attach(target, &plan, &options, &place).unwrap();
            probes.learn(target, []).unwrap();
            Box::new(probes)
        })
    };
    let of_gm = gm::Plan::of(target).unwrap();
    let of_gc = gc::Plan::of(target, Wanted::Everything).unwrap();
    let of_sched = sched::Plan::of(&checked, &times).unwrap();
    [
        of_gr(events),
        of_gr(by_fn),
        Box::new(move || {
            let place = place(target, &of_gm);
            let options = gm::Options::of(true);
            Box::new(GmProbes::attach(target, &of_gm, &options, &place).unwrap())
        }),
        Box::new(move || {
            Box::new(GcProbes::attach(target, &of_gc, &place(target, &of_gc)).unwrap())
        }),
        Box::new(move || {
            let place = place(target, &of_sched);
            Box::new(SchedProbes::attach(target, &of_sched, &times, &place).unwrap())
        }),
    ]
}
