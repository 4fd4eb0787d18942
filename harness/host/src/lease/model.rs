//! Every order of events of an election: two hosts whose clocks are not compared, requests that take any time, and an
//! API server that writes a Lease only over the version that a request names.

use std::time::{Duration, Instant};

use stateright::{Checker, Model, Property};

use super::{Action, Elector, Record, VALID};

/// All times are multiples of this.
const UNIT: Duration = Duration::from_secs(5);

/// How many units pass.
const END: u32 = 6;

/// How often the Lease is written.
const WRITES: u32 = 3;

/// The names of the hosts.
const NAMES: [&str; 2] = ["a", "b"];

/// An election that began at this time.
struct Election(Instant);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    /// How many units have passed.
    now: u32,
    lease: Option<Lease>,
    hosts: [Host; 2],
    /// A write whose answer the host does not wait for any more: the host, and the version that it expects.
    late: Option<(usize, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lease {
    holder: String,
    version: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Host {
    elector: Elector,
    request: Request,
    has_led: bool,
    has_stopped: bool,
}

/// Where the request of a host is. `sent` is when it read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Request {
    None,
    Read {
        sent: u32,
        lease: Option<Lease>,
    },
    /// `expected` is the version that the Lease must have; 0 stands for a Lease that must not exist.
    Write {
        sent: u32,
        expected: u32,
    },
    WasWritten {
        sent: u32,
        succeeded: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Event {
    TimePasses,
    /// The request of this host gets one step further.
    Goes(usize),
    /// This host stops to wait for the answer to its write.
    TimesOut(usize),
    /// The API server carries out a write whose answer nobody waits for.
    IsLate,
    /// This host stops, and gives the Lease back.
    Stops(usize),
}

impl Election {
    fn time(&self, units: u32) -> Instant {
        self.0 + UNIT * units
    }

    fn leads(&self, world: &World, host: usize) -> bool {
        !world.hosts[host].has_stopped && world.hosts[host].elector.leads(self.time(world.now))
    }
}

impl World {
    /// The API server compares and swaps.
    fn write(&mut self, host: usize, expected: u32) -> bool {
        let version = self.lease.as_ref().map_or(0, |lease| lease.version);
        if version == expected {
            self.lease = Some(Lease { holder: NAMES[host].to_owned(), version: version + 1 });
        }
        version == expected
    }
}

impl Model for Election {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let host = |name: &str| Host {
            elector: Elector::new(name.to_owned()),
            request: Request::None,
            has_led: false,
            has_stopped: false,
        };
        vec![World { now: 0, lease: None, hosts: NAMES.map(host), late: None }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        if world.now < END {
            events.push(Event::TimePasses);
        }
        events.extend(world.late.map(|_| Event::IsLate));
        for (index, host) in world.hosts.iter().enumerate() {
            events.extend((!host.has_stopped).then_some(Event::Goes(index)));
            let can_time_out = matches!(host.request, Request::Write { .. }) && world.late.is_none();
            events.extend(can_time_out.then_some(Event::TimesOut(index)));
            let can_stop = host.request == Request::None && self.leads(world, index);
            events.extend(can_stop.then_some(Event::Stops(index)));
        }
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut world = world.clone();
        match event {
            Event::TimePasses => world.now += 1,
            Event::Goes(index) => {
                let now = self.time(world.now);
                let request = world.hosts[index].request.clone();
                world.hosts[index].request = match request {
                    Request::None => Request::Read { sent: world.now, lease: world.lease.clone() },
                    Request::Read { sent, lease } => {
                        let record = lease.as_ref().map(|Lease { holder, version }| Record {
                            holder: holder.clone(),
                            version: version.to_string(),
                            valid: VALID,
                        });
                        let elector = &mut world.hosts[index].elector;
                        match elector.judge(record.as_ref(), now) {
                            Action::Create => Request::Write { sent, expected: 0 },
                            Action::Hold => Request::Write { sent, expected: lease.map_or(0, |lease| lease.version) },
                            Action::Wait => {
                                elector.lost();
                                Request::None
                            }
                        }
                    }
                    Request::Write { sent, expected } => {
                        Request::WasWritten { sent, succeeded: world.write(index, expected) }
                    }
                    Request::WasWritten { sent, succeeded } => {
                        let sent = self.time(sent);
                        let elector = &mut world.hosts[index].elector;
                        if succeeded {
                            elector.renewed(sent)
                        } else {
                            elector.lost()
                        }
                        Request::None
                    }
                };
            }
            Event::TimesOut(index) => {
                let Request::Write { expected, .. } = world.hosts[index].request else { return None };
                world.late = Some((index, expected));
                world.hosts[index].request = Request::None;
            }
            Event::IsLate => {
                let (index, expected) = world.late.take()?;
                world.write(index, expected);
            }
            Event::Stops(index) => {
                world.hosts[index].has_stopped = true;
                if let Some(lease) = world.lease.as_mut().filter(|lease| lease.holder == NAMES[index]) {
                    *lease = Lease { holder: String::new(), version: lease.version + 1 };
                }
            }
        }
        for index in [0, 1] {
            world.hosts[index].has_led |= self.leads(&world, index);
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("only one host works at a time", |election: &Self, world: &World| {
                !(election.leads(world, 0) && election.leads(world, 1))
            }),
            Property::sometimes("a host takes over from one that went silent", |election: &Self, world: &World| {
                world.hosts[0].has_led && !world.hosts[0].has_stopped && election.leads(world, 1)
            }),
            Property::sometimes("a host takes over from one that stopped", |election: &Self, world: &World| {
                world.hosts[0].has_stopped && election.leads(world, 1)
            }),
        ]
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.lease.as_ref().is_none_or(|lease| lease.version <= WRITES)
    }
}

#[test]
fn no_order_of_events_lets_two_hosts_work() {
    Election(Instant::now()).checker().threads(2).spawn_bfs().join().assert_properties();
}
