
workload.rate-limits
workload.rate-limits.cost
workload.rate-limits.cost.field
workload.rate-limits.match$default/default/shop/reviews-v1-7d9f)spiffe://cluster.local/ns/shop/sa/reviews(2ÄøF"shop/reviews¢
shop/reviewsall¬ è(0¢6
shop/reviews
per-caller
 àÔ(
0:::x-user¢4
shop/reviews	per-place ô(0::::@¢_
shop/reviewsloginsd è(d0J 

x-appweb0/login"POSTJ/v[0-9]+/loginPZx-cost¢:
shop/reviewstokensè àÔ(è0Pôbusagebtotal_tokens8