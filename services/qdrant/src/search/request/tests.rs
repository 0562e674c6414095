use super::*;

fn groups(sizes: &[usize]) -> Vec<q::PointGroup> {
    let group = |(id, size): (usize, &usize)| q::PointGroup {
        id: Some(q::GroupId {
            kind: Some(q::group_id::Kind::UnsignedValue(id as u64)),
        }),
        hits: vec![q::ScoredPoint::default(); *size],
        lookup: None,
    };
    sizes.iter().enumerate().map(group).collect()
}

/// The groups of the points, and how many of them are the page's.
fn page(sizes: &[usize], delivered: u64, limit: u32) -> (Vec<u64>, u32) {
    let (points, rows) = rows_of(groups(sizes), delivered, limit);
    let of = |point: Point| match point.group.and_then(|group| group.kind) {
        Some(Kind::Uint(group)) => group,
        other => panic!("{other:?}"),
    };
    (points.into_iter().map(of).collect(), rows)
}

#[test]
fn a_page_of_groups_goes_on_where_the_last_one_ended() {
    assert_eq!(
        page(&[2, 3, 1], 0, 2),
        (vec![0, 0, 1, 1, 1, 2], 5),
        "the third is for the next page"
    );
    assert_eq!(page(&[2, 3, 1], 5, 2), (vec![2], 1));
    // The last page was full in the middle of a group.
    assert_eq!(page(&[2, 3, 1, 1], 3, 2), (vec![1, 1, 2, 3], 3));
    assert_eq!(page(&[2], 5, 2), (vec![], 0));
    assert_eq!(page(&[], 0, 2), (vec![], 0));
}
