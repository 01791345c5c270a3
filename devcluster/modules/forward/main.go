// Command forward answers on a socket that it inherits and passes every connection on.
//
// The cluster lives in a network namespace that has no way out. Its starter opens the listening
// socket on the host's side, enters the cluster's namespace and becomes this program, which can
// therefore hear the host and call the cluster: `forward DESCRIPTOR ADDRESS`.
package main

import (
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: forward DESCRIPTOR ADDRESS, with the number of a listening socket")
	}
	descriptor, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatalf("descriptor: %v", err)
	}
	listener, err := net.FileListener(os.NewFile(uintptr(descriptor), "listener"))
	if err != nil {
		log.Fatalf("descriptor %d is no listening socket: %v", descriptor, err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatalf("accept: %v", err)
		}
		go forward(client, os.Args[2])
	}
}

func forward(client net.Conn, address string) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		log.Printf("dial %s: %v", address, err)
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	go pipe(server, client, done)
	go pipe(client, server, done)
	<-done
	<-done
}

// pipe copies one direction and hands on its end, so that a half-closed connection stays usable.
func pipe(to, from net.Conn, done chan<- struct{}) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
	done <- struct{}{}
}
