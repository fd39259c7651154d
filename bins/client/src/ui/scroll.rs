//! Which rows of a room are seen.
//!
//! **Invariants**
//! - *What is seen stays*: new messages come below, and move nothing that one has scrolled to.
//! - *No emptiness above*: one cannot scroll beyond the first row.

/// The lowest row that is seen: so many rows of this item are hidden below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Index of the item.
    pub item: usize,
    /// Its rows below the lowest one that is seen.
    pub hidden: usize,
}

/// The place in a room; without an anchor it is the end, and stays there.
pub type Scroll = Option<Anchor>;

/// The items of a room, as far as scrolling is concerned.
pub struct Extent<'a> {
    /// How many there are.
    pub items: usize,
    /// Rows of each.
    pub rows: &'a dyn Fn(usize) -> usize,
    /// Rows of the screen.
    pub height: usize,
}

impl Extent<'_> {
    /// Rows above, the first one seen at the bottom counted, up to `limit`.
    fn rows_above(&self, anchor: Anchor, limit: usize) -> usize {
        let mut rows = (self.rows)(anchor.item).saturating_sub(anchor.hidden);
        let mut item = anchor.item;
        while rows < limit && item > 0 {
            item -= 1;
            rows += (self.rows)(item);
        }
        rows
    }

    /// Rows above the first one that is seen at a place, of at most so many with those that are seen.
    pub fn above(&self, scroll: Scroll, limit: usize) -> usize {
        match self.anchor(scroll) {
            // Each has a row at least.
            Some(anchor) if anchor.item > limit => limit - self.height,
            Some(anchor) => self.rows_above(anchor, limit).saturating_sub(self.height),
            None => 0,
        }
    }

    /// Rows below the last one that is seen at a place, up to about `limit`.
    pub fn below(&self, scroll: Scroll, limit: usize) -> usize {
        let Some(Anchor { item, hidden }) = scroll else { return 0 };
        let mut rows = hidden;
        for item in item + 1..self.items {
            if rows >= limit {
                break;
            }
            rows += (self.rows)(item);
        }
        rows
    }

    fn anchor(&self, scroll: Scroll) -> Scroll {
        scroll.or_else(|| Some(Anchor { item: self.items.checked_sub(1)?, hidden: 0 }))
    }

    /// So many rows up.
    pub fn up(&self, from: Scroll, rows: usize) -> Scroll {
        let mut anchor = self.anchor(from)?;
        let mut left = rows;
        while left > 0 {
            let seen = (self.rows)(anchor.item).saturating_sub(anchor.hidden);
            if left < seen || anchor.item == 0 {
                anchor.hidden += left.min(seen.saturating_sub(1));
                break;
            }
            left -= seen;
            anchor = Anchor { item: anchor.item - 1, hidden: 0 };
        }
        self.settle(anchor)
    }

    /// So many rows down.
    pub fn down(&self, from: Scroll, rows: usize) -> Scroll {
        self.lower(from?, rows).and_then(|anchor| self.settle(anchor))
    }

    /// The first row.
    pub fn top(&self) -> Scroll {
        if self.items == 0 {
            None
        } else {
            self.settle(Anchor { item: 0, hidden: (self.rows)(0) - 1 })
        }
    }

    /// With this item about in the middle.
    pub fn around(&self, item: usize) -> Scroll {
        self.down(Some(Anchor { item, hidden: 0 }), self.height / 2)
    }

    /// Not beyond the first row; at the end, the end.
    fn settle(&self, anchor: Anchor) -> Scroll {
        let missing = self.height.saturating_sub(self.rows_above(anchor, self.height));
        self.lower(anchor, missing)
    }

    fn lower(&self, mut anchor: Anchor, rows: usize) -> Scroll {
        let mut left = rows;
        while left > anchor.hidden {
            left -= anchor.hidden;
            if anchor.item + 1 >= self.items {
                return None;
            }
            anchor = Anchor { item: anchor.item + 1, hidden: (self.rows)(anchor.item + 1) };
        }
        anchor.hidden -= left;
        let is_end = anchor.item + 1 >= self.items && anchor.hidden == 0;
        (!is_end).then_some(anchor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items of 1, 2, 3, 1, 2, 3, ... rows.
    fn extent(items: usize, height: usize) -> Extent<'static> {
        Extent { items, rows: &|item| item % 3 + 1, height }
    }

    #[test]
    fn up_and_down_are_one_another_undone() {
        let extent = extent(30, 10);
        for rows in 1..=50 {
            let up = extent.up(None, rows);
            assert!(up.is_some());
            assert_eq!(extent.down(up, rows), None, "{rows}");
            assert_eq!(extent.up(extent.up(None, rows), 1), extent.up(None, rows + 1));
        }
    }

    #[test]
    fn nobody_scrolls_beyond_the_first_row() {
        let extent = extent(30, 10);
        assert_eq!(extent.up(None, 50), extent.top());
        assert_eq!(extent.up(None, 5000), extent.top());
        let top = extent.top().unwrap();
        assert_eq!(extent.rows_above(top, 100), 10);
        assert_eq!(self::extent(3, 10).up(None, 5), None, "everything is seen");
        assert_eq!(self::extent(0, 10).top(), None);
    }

    #[test]
    fn an_item_that_is_looked_for_is_seen() {
        let extent = extent(30, 10);
        for item in 0..30 {
            let lowest = extent.around(item).map_or(29, |anchor| anchor.item);
            assert!(lowest >= item, "{item}");
            assert!((item..=lowest).map(extent.rows).sum::<usize>() <= 10 + 3, "{item}");
        }
    }
}
