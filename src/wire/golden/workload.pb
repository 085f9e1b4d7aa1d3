$default/default/shop/reviews-v1-7d9f)spiffe://cluster.local/ns/shop/sa/reviews"zone-a(2¸*2&øF"shop/reviews"shop/reviews-v18J
appreviewsJ
versionv1jnode-1