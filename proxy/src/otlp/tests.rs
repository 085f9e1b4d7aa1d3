use super::Queue;
use super::queue::MOST_BYTES;
use crate::drain;
use crate::telemetry::ExportCounts;
use crate::wire::opentelemetry::trace::Span;

#[test]
fn what_is_too_much_is_counted_and_not_kept() {
    let queue = Queue::new(drain::channel().1, ExportCounts::default());
    let span = Span { name: "a".repeat(1_000), ..Default::default() };
    let mut built = 0;
    for _ in 0..200 {
        queue.push(|| {
            built += 1;
            span.clone()
        });
    }
    let batch = queue.take();
    assert!(batch.fields.len() <= MOST_BYTES);
    assert!((120..=130).contains(&batch.count), "{}", batch.count);
    assert_eq!(built, batch.count + 1, "once one had no room no other was built");
    queue.push(|| span);
    assert_eq!(queue.take().count, 1, "there is room again");
}
