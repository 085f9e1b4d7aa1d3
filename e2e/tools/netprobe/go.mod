module weft.dev/e2e/tools/netprobe

go 1.24.0

tool weft.dev/e2e/tools/netprobe
