//! The chat within its bounds, with nothing remembered and nothing judged.
//!
//! What explores this does the work that stateright's `ActorModel` does on the same bounds, so that
//! their counts must be equal and their times can be compared. Whatever is judged needs
//! [`crate::chat`].

use crate::chat::ChatSpec;
use crate::config::Config;
use crate::node::{Node, NodeState, NodeTimer};
use actor_checker::compact::{CompactModel, Reductions};
use actor_checker::spec::{Local, PropertyName, Spec, Step};
use paxos_chat::message::Message;

/// The bounds of a [`ChatSpec`], and nothing else of it.
#[derive(Clone, Debug)]
pub struct Bare(ChatSpec);

/// The system that these bounds describe, unjudged.
pub fn model(config: &Config, reductions: Reductions) -> CompactModel<Node, Bare> {
    let chat = config.model(&[], Reductions::default()).spec().clone();
    let inputs =
        config.inputs.iter().map(|(actor, input)| (usize::from(*actor), input.clone().into()));
    CompactModel::new(config.nodes(config.genesis()), Bare(chat))
        .with_crashes(config.crashes)
        .with_inputs(inputs.collect())
        .with_reductions(reductions)
}

impl Spec<Node> for Bare {
    type Ghost = ();
    type History = ();
    type View = ();

    fn ghost(&self, _actor: usize) {}

    fn history(&self) {}

    fn remember(&self, _step: &Step<'_, Node, ()>) {}

    fn within(&self, actor: usize, state: &NodeState) -> bool {
        self.0.within(actor, state)
    }

    fn may_time_out(&self, actor: usize, state: &NodeState, timer: &NodeTimer) -> bool {
        self.0.may_time_out(actor, state, timer)
    }

    fn may_crash(&self, actor: usize) -> bool {
        self.0.may_crash(actor)
    }

    fn is_stale(&self, actor: usize, state: &NodeState, src: usize, msg: &Message) -> bool {
        self.0.is_stale(actor, state, src, msg)
    }

    fn canonical(&self, actor: usize, state: NodeState) -> NodeState {
        self.0.canonical(actor, state)
    }

    fn variants(&self, actor: usize, state: &NodeState) -> Vec<NodeState> {
        self.0.variants(actor, state)
    }

    fn renamings(&self) -> usize {
        self.0.renamings()
    }

    fn rename_actor(&self, renaming: usize, actor: usize) -> usize {
        self.0.rename_actor(renaming, actor)
    }

    fn rename_local(&self, renaming: usize, _: usize, local: &Local<Node, ()>) -> Local<Node, ()> {
        self.0.renamings[renaming].local_with(local, ())
    }

    fn rename_message(&self, renaming: usize, message: &Message) -> Message {
        self.0.rename_message(renaming, message)
    }

    fn rename_history(&self, _renaming: usize, (): &()) {}

    fn properties(&self) -> &[PropertyName] {
        &[]
    }

    fn view(&self, _actor: usize, _local: &Local<Node, ()>) {}
}
