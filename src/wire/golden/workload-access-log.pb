$default/default/shop/reviews-v1-7d9f)spiffe://cluster.local/ns/shop/sa/reviews(2øF"shop/reviewsÂ8J
appreviewsŠ)
 ô(N0peertls"x-request-id