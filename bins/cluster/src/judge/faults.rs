//! What is wrong, as far as it is listed.

/// Faults that are listed; the rest is counted.
pub(super) const FAULTS_MAX: usize = 20;

/// What is wrong: the first few, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Faults {
    listed: Vec<String>,
    more: usize,
}

impl Faults {
    pub(super) fn push(&mut self, fault: String) {
        if self.listed.len() < FAULTS_MAX { self.listed.push(fault) } else { self.more += 1 }
    }

    /// Adds those of a replica.
    pub(super) fn add(&mut self, id: u8, other: &Faults) {
        other.listed.iter().for_each(|fault| self.push(format!("replica {id}: {fault}")));
        self.more += other.more;
    }

    pub(super) fn count(&self) -> usize {
        self.listed.len() + self.more
    }

    pub(super) fn into_list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.listed.push(format!("and {} more", self.more));
        }
        self.listed
    }
}
