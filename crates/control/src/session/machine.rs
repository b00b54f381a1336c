//! The life of a session as a pure function. Nothing here waits, writes or knows what time it is.

use types::{EndReason, SessionState};

/// Where a session is, as its owner knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Creating,
    Running,
    Deleting(EndReason),
    Finished(EndReason),
    /// Another server owns it.
    Fenced,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Its sandbox is there and its row says so.
    Ready,
    /// It is to end, for this reason.
    End(EndReason),
    /// Its sandbox is gone.
    Destroyed,
    /// A write was refused: its row has a newer epoch.
    Fenced,
}

/// What its owner has to do, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Make it invisible: nobody finds it any more, running work is let go.
    Retire,
    /// Write into its row that it is ending; then answer who asked for it.
    RecordDeleting,
    /// Destroy its sandbox.
    Destroy,
    /// Write into its row that nothing is left of it.
    RecordFinished,
}

impl Phase {
    /// The state that its user sees.
    pub(super) fn state(self) -> SessionState {
        match self {
            Self::Creating => SessionState::Creating,
            Self::Running => SessionState::Running,
            Self::Deleting(_) | Self::Fenced => SessionState::Deleting,
            Self::Finished(_) => SessionState::Finished,
        }
    }
}

/// The phase after `event`, and what is to be done about it. An event that means nothing in a phase changes nothing.
pub(super) fn step(phase: Phase, event: Event) -> (Phase, &'static [Effect]) {
    use Effect::{Destroy, RecordDeleting, RecordFinished, Retire};
    match (phase, event) {
        (Phase::Creating, Event::Ready) => (Phase::Running, &[]),
        (Phase::Creating | Phase::Running, Event::End(reason)) => (Phase::Deleting(reason), &[Retire, RecordDeleting, Destroy]),
        (Phase::Deleting(reason), Event::Destroyed) => (Phase::Finished(reason), &[RecordFinished]),
        (Phase::Creating | Phase::Running | Phase::Deleting(_), Event::Fenced) => (Phase::Fenced, &[Retire]),
        _ => (phase, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REASONS: [EndReason; 6] =
        [EndReason::Deleted, EndReason::Idle, EndReason::MaxLife, EndReason::CreateFailed, EndReason::SandboxLost, EndReason::Shutdown];

    fn phases() -> Vec<Phase> {
        let ends = REASONS.iter().flat_map(|&reason| [Phase::Deleting(reason), Phase::Finished(reason)]);
        [Phase::Creating, Phase::Running, Phase::Fenced].into_iter().chain(ends).collect()
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Ready),
            prop::sample::select(&REASONS[..]).prop_map(Event::End),
            Just(Event::Destroyed),
            Just(Event::Fenced),
        ]
    }

    /// The arrows of the drawing in `session/mod.rs`, written down a second time.
    fn is_drawn(from: Phase, to: Phase) -> bool {
        match (from, to) {
            (Phase::Creating, Phase::Running) => true,
            (Phase::Creating | Phase::Running, Phase::Deleting(_)) => true,
            (Phase::Deleting(why), Phase::Finished(still)) => why == still,
            (Phase::Creating | Phase::Running | Phase::Deleting(_), Phase::Fenced) => true,
            _ => from == to,
        }
    }

    #[test]
    fn deleting_ends_from_every_phase() {
        for phase in phases() {
            let (phase, _) = step(phase, Event::End(EndReason::Deleted));
            let (phase, _) = step(phase, Event::Destroyed);
            assert!(matches!(phase, Phase::Finished(_) | Phase::Fenced), "{phase:?}");
        }
    }

    #[test]
    fn the_same_event_twice_does_nothing_the_second_time() {
        for phase in phases() {
            for event in [Event::Ready, Event::End(EndReason::Idle), Event::Destroyed, Event::Fenced] {
                let (once, _) = step(phase, event);
                assert_eq!(step(once, event), (once, &[][..]), "{phase:?} {event:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_walk_keeps_to_the_drawing_and_does_each_thing_at_most_once(events in prop::collection::vec(any_event(), 0..12)) {
            let mut phase = Phase::Creating;
            let mut done = Vec::new();
            for event in events {
                let (next, effects) = step(phase, event);
                prop_assert!(is_drawn(phase, next), "{phase:?} -> {next:?}");
                if phase == Phase::Fenced {
                    prop_assert!(effects.is_empty(), "a fenced session is another server's");
                }
                done.extend_from_slice(effects);
                phase = next;
            }
            for effect in [Effect::RecordDeleting, Effect::Destroy, Effect::RecordFinished] {
                prop_assert!(done.iter().filter(|&&d| d == effect).count() <= 1, "{done:?}");
            }
            if matches!(phase, Phase::Finished(_)) {
                prop_assert_eq!(done, vec![Effect::Retire, Effect::RecordDeleting, Effect::Destroy, Effect::RecordFinished]);
            } else if matches!(phase, Phase::Creating | Phase::Running) {
                prop_assert!(done.is_empty());
            }
        }
    }
}
