//! Whole exchanges, told as stories.

mod talking;

use super::testkit::*;
