module kubeproof/etcd_raft_go

go 1.26

require (
	github.com/huandu/go-clone v1.7.3
	go.etcd.io/raft/v3 v3.7.0
	google.golang.org/protobuf v1.36.11
)
