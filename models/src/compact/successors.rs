//! The first state, and the state after a step: what is sent joins the network, and what the
//! reductions allow is taken or dropped at once.

use super::CompactModel;
use super::state::{CRASHES, Envelope, HISTORY, INPUTS, LOCALS, SystemState};
use super::steps::{FIRST_STEP, OriginEvent};
use crate::spec::{Event, Local, Spec, Step};
use stateright::actor::Actor;

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// The state before anything happens: every actor has started.
    pub(super) fn init(&self) -> SystemState {
        let mut words = vec![self.histories.intern(self.spec.history()), 0, 0];
        let mut sent = Vec::new();
        for actor in 0..self.actors.len() {
            let (local, sends, reports) = self.run(actor, None, &Event::Start);
            let ghost = self.spec.remember(&Step {
                actor,
                before: None,
                event: Event::Start,
                state: local.state.as_ref(),
                storage: local.storage.as_ref(),
                sends: &sends,
                reports: &reports,
            });
            words.push(self.intern_local(actor, Local { ghost, ..local }));
            sent.extend(
                sends.into_iter().map(|(dst, msg)| self.intern_envelope(actor, dst, msg).0),
            );
        }
        sent.sort_unstable();
        sent.dedup();
        let mut fingerprint = self
            .history_term(words[HISTORY])
            .wrapping_add(Self::crashes_term(0))
            .wrapping_add(Self::inputs_term(0));
        for (actor, local) in words[LOCALS..].iter().enumerate() {
            fingerprint = fingerprint.wrapping_add(self.local_term(actor, *local));
        }
        for envelope in &sent {
            fingerprint = fingerprint.wrapping_add(self.envelope_term(Envelope(*envelope)));
        }
        words.extend(sent);
        if self.reductions.eager_sends {
            for actor in 0..self.actors.len() {
                fingerprint = self.saturate(&[], Some(actor), fingerprint, &mut words);
            }
        }
        if self.reductions.stale_messages {
            fingerprint = self.drop_stale(fingerprint, &mut words);
        }
        SystemState { fingerprint, words: words.into() }
    }
    /// The state after a step.
    pub(super) fn successor(&self, state: &SystemState, number: u32) -> SystemState {
        let step = self.step(number);
        let actor = step.origin.actor as usize;
        let n = self.actors.len();
        let old = state.words[LOCALS + actor];
        let mut words = Vec::with_capacity(state.words.len() + step.sends.len());
        words.extend_from_slice(&state.words[..LOCALS + n]);
        let mut fingerprint = state.fingerprint;
        if old != step.next {
            words[LOCALS + actor] = step.next;
            fingerprint = fingerprint
                .wrapping_sub(self.local_term(actor, old))
                .wrapping_add(self.local_term(actor, step.next));
        }
        if matches!(step.origin.event, OriginEvent::Crash) {
            words[CRASHES] += 1;
            fingerprint = fingerprint
                .wrapping_sub(Self::crashes_term(words[CRASHES] - 1))
                .wrapping_add(Self::crashes_term(words[CRASHES]));
        }
        if let OriginEvent::Input(input) = step.origin.event {
            let before = words[INPUTS];
            words[INPUTS] |= 1 << input;
            fingerprint = fingerprint
                .wrapping_sub(Self::inputs_term(before))
                .wrapping_add(Self::inputs_term(words[INPUTS]));
        }
        let history =
            if step.recorded { self.record(words[HISTORY], number) } else { words[HISTORY] };
        if history != words[HISTORY] {
            fingerprint = fingerprint
                .wrapping_sub(self.history_term(words[HISTORY]))
                .wrapping_add(self.history_term(history));
            words[HISTORY] = history;
        }
        let old_envelopes = &state.words[LOCALS + n..];
        let moved = (old != step.next).then_some(actor);
        let sent = step.sends.iter().copied();
        fingerprint = self.merge(old_envelopes, sent, fingerprint, &mut words);
        if self.reductions.eager_sends {
            fingerprint = self.saturate(old_envelopes, moved, fingerprint, &mut words);
        }
        if self.reductions.stale_messages {
            fingerprint = self.drop_stale(fingerprint, &mut words);
        }
        SystemState { fingerprint, words: words.into() }
    }

    /// Appends the old envelopes and those sent, sorted.
    pub(super) fn merge(
        &self,
        old: &[u32],
        sent: impl Iterator<Item = Envelope>,
        mut fingerprint: u64,
        words: &mut Vec<u32>,
    ) -> u64 {
        let mut sent = sent.peekable();
        for &envelope in old {
            while let Some(new) = sent.next_if(|new| new.0 < envelope) {
                fingerprint = fingerprint.wrapping_add(self.envelope_term(new));
                words.push(new.0);
            }
            sent.next_if_eq(&Envelope(envelope));
            words.push(envelope);
        }
        for new in sent {
            fingerprint = fingerprint.wrapping_add(self.envelope_term(new));
            words.push(new.0);
        }
        fingerprint
    }

    /// Drops the envelopes that are stale where they would arrive.
    pub(super) fn drop_stale(&self, mut fingerprint: u64, words: &mut Vec<u32>) -> u64 {
        let start = LOCALS + self.actors.len();
        let mut kept = start;
        for place in start..words.len() {
            let envelope = Envelope(words[place]);
            if self.is_stale(envelope, words) {
                fingerprint = fingerprint.wrapping_sub(self.envelope_term(envelope));
            } else {
                words[kept] = envelope.0;
                kept += 1;
            }
        }
        words.truncate(kept);
        fingerprint
    }

    /// Takes every step that only sends, until none sends anything new. `old` were the envelopes
    /// of a saturated state; since then only `moved` has changed, and envelopes have come.
    pub(super) fn saturate(
        &self,
        old: &[u32],
        moved: Option<usize>,
        mut fingerprint: u64,
        words: &mut Vec<u32>,
    ) -> u64 {
        let start = LOCALS + self.actors.len();
        let is_news = |envelope: &u32| {
            moved == Some(Envelope(*envelope).dst()) || old.binary_search(envelope).is_err()
        };
        let mut queue: Vec<u32> = words[start..].iter().copied().filter(is_news).collect();
        let mut added: Vec<Envelope> = Vec::new();
        let send = |step: u32, added: &mut Vec<Envelope>, queue: &mut Vec<u32>, words: &[u32]| {
            if step < FIRST_STEP || !self.step(step).only_sends {
                return;
            }
            for envelope in &self.step(step).sends {
                if words[start..].binary_search(&envelope.0).is_err() && !added.contains(envelope) {
                    added.push(*envelope);
                    queue.push(envelope.0);
                }
            }
        };
        if let Some(actor) = moved {
            for (_, step) in self.timeouts(actor, words[LOCALS + actor]) {
                send(*step, &mut added, &mut queue, words);
            }
        }
        while let Some(envelope) = queue.pop() {
            let envelope = Envelope(envelope);
            let local = words[LOCALS + envelope.dst()];
            let step = self.delivery(envelope.dst(), local, envelope.index());
            send(step, &mut added, &mut queue, words);
        }
        if !added.is_empty() {
            added.sort_unstable();
            let before: Vec<u32> = words.drain(start..).collect();
            fingerprint = self.merge(&before, added.into_iter(), fingerprint, words);
        }
        fingerprint
    }
}
