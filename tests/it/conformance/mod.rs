//! What every directory must do, written against the port alone. A stage file gives a function that makes a fresh, empty
//! directory (and whatever must outlive it), and `suite!` runs every case on one.

mod cases;
mod fixture;

pub(crate) use cases::*;
pub(crate) use fixture::*;

/// One test for each case. `$stage` makes a pair: what must outlive the directory, and an `Arc` of the directory.
macro_rules! suite {
    ($stage:expr) => {
        $crate::conformance::suite! { $stage;
            observes_nothing_in_an_empty_directory
            keeps_every_field_of_every_kind
            keeps_a_tree_of_companies
            edits_every_field
            renames_and_swaps_through_parking
            moves_between_companies_and_customers
            rekeys_and_children_follow
            disables_retires_and_declares_again
            releases_and_adopts
            keeps_whoever_stands_under_a_released_company
            deletes_leaves_first
            refuses_what_moved
            refuses_what_is_taken
            refuses_what_cannot_stand
            a_failed_change_stops_no_other
            repeats_change_nothing
            marks_credentials
            gives_out_what_is_owed
            gives_nothing_that_is_not_owed
            an_unused_secret_dies_with_account_and_address
            stops_between_objects
            counts_losses_in_the_window
            remembers_what_each_owner_applied
            each_right_is_one_run_s_alone
            tells_owners_apart
        }
    };
    ($stage:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (_keep, directory) = ($stage)();
                $crate::conformance::$case($crate::conformance::Org::new(directory)).await;
            }
        )*
    };
}
pub(crate) use suite;

/// Cases with trouble on the way to the directory: what failed for it is tried again, and in the end nothing is lost and nothing
/// is there twice. `$stage` makes three things: what must outlive the directory, an `Arc` of it, and what switches the trouble.
#[allow(unused_macros, reason = "there is none on the way to a file")]
macro_rules! troubled {
    ($stage:expr) => {
        $crate::conformance::troubled! { $stage;
            observes_nothing_in_an_empty_directory
            keeps_every_field_of_every_kind
            keeps_a_tree_of_companies
            edits_every_field
            renames_and_swaps_through_parking
            moves_between_companies_and_customers
            rekeys_and_children_follow
            disables_retires_and_declares_again
            keeps_whoever_stands_under_a_released_company
            deletes_leaves_first
        }
    };
    ($stage:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (_keep, directory, trouble) = ($stage)();
                $crate::conformance::$case($crate::conformance::Org::new(directory).troubled(trouble)).await;
            }
        )*
    };
}
#[allow(unused_imports, reason = "there is none on the way to a file")]
pub(crate) use troubled;
