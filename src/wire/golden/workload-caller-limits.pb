
workload.external-services
workload.rate-limits
workload.rate-limits.caller
workload.rate-limits.match default/default/shop/orders-7d9f(spiffe://cluster.local/ns/shop/sa/orders(8r%
shop/stripeapi.stripe.comP0’4
billing/payments 
shop/orderspaymentsd è(
0’Kshop/stripe<
shop/ordersstripe
 è(
0:
x-tenant::@J"POST