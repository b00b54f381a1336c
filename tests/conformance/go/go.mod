module roadstead.dev/conformance

go 1.23
