
workload.rate-limits$default/default/shop/reviews-v1-7d9f)spiffe://cluster.local/ns/shop/sa/reviews(2¥øF"shop/reviews¢
shop/reviewsall¬ è(0¢6
shop/reviews
per-caller
 àÔ(
0:::x-user¢4
shop/reviews	per-place ô(0::::@8