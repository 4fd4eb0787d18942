// A small CSI driver for one node. A volume is a directory, and a snapshot is a copy of one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	registerapi "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const driverName = "folder.csi.test"

type meta struct {
	Size    int64
	Source  string
	Created time.Time
}

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	mu         sync.Mutex
	root, node string
	sock       string
}

func (d *driver) dir(kind, id string) string { return filepath.Join(d.root, kind, id) }
func (d *driver) load(kind, id string) (m meta, err error) {
	b, err := os.ReadFile(d.dir(kind, id) + ".json")
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return
}
func (d *driver) save(kind, id string, m meta) error {
	b, _ := json.Marshal(m)
	return os.WriteFile(d.dir(kind, id)+".json", b, 0o600)
}
func badID(id string) bool { return id == "" || id != filepath.Base(id) || strings.HasPrefix(id, ".") }
func fail(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.Internal, err.Error())
}

// copyTree copies the contents of src to a new directory dst. If it fails, dst does not exist.
func copyTree(src, dst string) error {
	tmp := dst + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	out, err := exec.Command("cp", "-a", "--reflink=auto", src, tmp).CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	return os.Rename(tmp, dst)
}

func (d *driver) GetPluginInfo(
	context.Context, *csi.GetPluginInfoRequest,
) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: "1"}, nil
}
func (d *driver) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	controller := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	capability := &csi.PluginCapability{Type: &csi.PluginCapability_Service_{Service: controller}}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{capability}}, nil
}
func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (d *driver) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	r := &csi.ControllerGetCapabilitiesResponse{}
	for _, t := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: t}
		capability := &csi.ControllerServiceCapability_Rpc{Rpc: rpc}
		r.Capabilities = append(r.Capabilities, &csi.ControllerServiceCapability{Type: capability})
	}
	return r, nil
}

func (d *driver) CreateVolume(
	_ context.Context, q *csi.CreateVolumeRequest,
) (*csi.CreateVolumeResponse, error) {
	if badID(q.Name) || len(q.VolumeCapabilities) == 0 {
		return nil, status.Error(codes.InvalidArgument, "name and capabilities required")
	}
	for _, c := range q.VolumeCapabilities {
		if c.GetBlock() != nil {
			return nil, status.Error(codes.InvalidArgument, "block volumes are not supported")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	size := q.GetCapacityRange().GetRequiredBytes()
	src := ""
	if s := q.GetVolumeContentSource().GetSnapshot(); s != nil {
		src = "snapshots/" + s.SnapshotId
	} else if v := q.GetVolumeContentSource().GetVolume(); v != nil {
		src = "volumes/" + v.VolumeId
	}
	if m, err := d.load("volumes", q.Name); err == nil {
		if m.Size != size || m.Source != src {
			return nil, status.Error(codes.AlreadyExists, "volume exists with other parameters")
		}
	} else {
		dst := d.dir("volumes", q.Name)
		if src != "" {
			kind, id, _ := strings.Cut(src, "/")
			if badID(id) {
				return nil, status.Error(codes.NotFound, "no such source")
			}
			if _, err := d.load(kind, id); err != nil {
				return nil, status.Error(codes.NotFound, "no such source")
			}
			if err := copyTree(d.dir(kind, id), dst); err != nil {
				return nil, fail(err)
			}
		} else if err := os.MkdirAll(dst, 0o777); err != nil {
			return nil, fail(err)
		} else if err := os.Chmod(dst, 0o777); err != nil {
			return nil, fail(err)
		}
		if err := d.save("volumes", q.Name, meta{size, src, time.Now()}); err != nil {
			return nil, fail(err)
		}
	}
	volume := &csi.Volume{VolumeId: q.Name, CapacityBytes: size, ContentSource: q.VolumeContentSource}
	return &csi.CreateVolumeResponse{Volume: volume}, nil
}
func (d *driver) remove(kind, id string) error {
	if badID(id) {
		return status.Error(codes.InvalidArgument, "invalid id")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.RemoveAll(d.dir(kind, id)); err != nil {
		return fail(err)
	}
	if err := os.Remove(d.dir(kind, id) + ".json"); err != nil && !os.IsNotExist(err) {
		return fail(err)
	}
	return nil
}
func (d *driver) DeleteVolume(
	_ context.Context, q *csi.DeleteVolumeRequest,
) (*csi.DeleteVolumeResponse, error) {
	return &csi.DeleteVolumeResponse{}, d.remove("volumes", q.VolumeId)
}
func (d *driver) ValidateVolumeCapabilities(
	_ context.Context, q *csi.ValidateVolumeCapabilitiesRequest,
) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if q.VolumeId == "" || len(q.VolumeCapabilities) == 0 {
		return nil, status.Error(codes.InvalidArgument, "id and capabilities required")
	}
	if _, err := d.load("volumes", q.VolumeId); err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	confirmed := &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: q.VolumeCapabilities}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: confirmed}, nil
}
func (d *driver) CreateSnapshot(
	_ context.Context, q *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	if badID(q.Name) || badID(q.SourceVolumeId) {
		return nil, status.Error(codes.InvalidArgument, "name and source required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.load("snapshots", q.Name)
	if err == nil && m.Source != q.SourceVolumeId {
		return nil, status.Error(codes.AlreadyExists, "snapshot exists with another source")
	}
	if err != nil {
		v, err := d.load("volumes", q.SourceVolumeId)
		if err != nil {
			return nil, status.Error(codes.NotFound, "no such volume")
		}
		unix.Sync()
		if err := copyTree(d.dir("volumes", q.SourceVolumeId), d.dir("snapshots", q.Name)); err != nil {
			return nil, fail(err)
		}
		m = meta{v.Size, q.SourceVolumeId, time.Now()}
		if err := d.save("snapshots", q.Name, m); err != nil {
			return nil, fail(err)
		}
	}
	return &csi.CreateSnapshotResponse{Snapshot: &csi.Snapshot{
		SnapshotId:     q.Name,
		SourceVolumeId: m.Source,
		SizeBytes:      m.Size,
		CreationTime:   timestamppb.New(m.Created),
		ReadyToUse:     true,
	}}, nil
}
func (d *driver) DeleteSnapshot(
	_ context.Context, q *csi.DeleteSnapshotRequest,
) (*csi.DeleteSnapshotResponse, error) {
	return &csi.DeleteSnapshotResponse{}, d.remove("snapshots", q.SnapshotId)
}

func (d *driver) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}
func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}
func (d *driver) NodePublishVolume(
	_ context.Context, q *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	if badID(q.VolumeId) || q.TargetPath == "" || q.VolumeCapability == nil {
		return nil, status.Error(codes.InvalidArgument, "id, target and capability required")
	}
	if _, err := d.load("volumes", q.VolumeId); err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	if err := os.MkdirAll(q.TargetPath, 0o750); err != nil {
		return nil, fail(err)
	}
	var a, b unix.Stat_t
	exist := unix.Stat(q.TargetPath, &a) == nil && unix.Stat(d.dir("volumes", q.VolumeId), &b) == nil
	if exist && a.Dev == b.Dev && a.Ino == b.Ino {
		return &csi.NodePublishVolumeResponse{}, nil // already published
	}
	if err := unix.Mount(d.dir("volumes", q.VolumeId), q.TargetPath, "", unix.MS_BIND, ""); err != nil {
		return nil, fail(err)
	}
	if q.Readonly {
		if err := unix.Mount("", q.TargetPath, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return nil, fail(err)
		}
	}
	return &csi.NodePublishVolumeResponse{}, nil
}
func (d *driver) NodeUnpublishVolume(
	_ context.Context, q *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	if q.VolumeId == "" || q.TargetPath == "" {
		return nil, status.Error(codes.InvalidArgument, "id and target required")
	}
	if err := unix.Unmount(q.TargetPath, 0); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return nil, fail(err)
	}
	if err := os.Remove(q.TargetPath); err != nil && !os.IsNotExist(err) {
		return nil, fail(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// registration answers the kubelet's plugin registration, as node-driver-registrar does.
type registration struct {
	registerapi.UnimplementedRegistrationServer
	sock string
}

func (r *registration) GetInfo(context.Context, *registerapi.InfoRequest) (*registerapi.PluginInfo, error) {
	return &registerapi.PluginInfo{
		Type:              registerapi.CSIPlugin,
		Name:              driverName,
		Endpoint:          r.sock,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}
func (r *registration) NotifyRegistrationStatus(
	_ context.Context, s *registerapi.RegistrationStatus,
) (*registerapi.RegistrationStatusResponse, error) {
	log.Printf("kubelet registration: registered=%v error=%q", s.PluginRegistered, s.Error)
	return &registerapi.RegistrationStatusResponse{}, nil
}

func listen(path string) net.Listener {
	os.Remove(path)
	os.MkdirAll(filepath.Dir(path), 0o750)
	l, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func main() {
	root := flag.String("root", "", "the directory of volumes and snapshots")
	kubelet := flag.String("kubelet-dir", "/var/lib/kubelet", "the kubelet's root directory; empty: no registration")
	sock := flag.String("socket", "", "the CSI socket")
	node := flag.String("node", "", "this node's name")
	flag.Parse()
	logCalls := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		resp, err := h(ctx, req)
		if !strings.Contains(info.FullMethod, "Probe") && !strings.Contains(info.FullMethod, "Get") || err != nil {
			log.Printf("%s %v err=%v", info.FullMethod, req, err)
		}
		return resp, err
	}
	d := &driver{root: *root, node: *node, sock: *sock}
	for _, k := range []string{"volumes", "snapshots"} {
		if err := os.MkdirAll(filepath.Join(*root, k), 0o711); err != nil {
			log.Fatal(err)
		}
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(logCalls))
	csi.RegisterIdentityServer(s, d)
	csi.RegisterControllerServer(s, d)
	csi.RegisterNodeServer(s, d)
	l := listen(*sock)
	if *kubelet != "" {
		rs := grpc.NewServer()
		registerapi.RegisterRegistrationServer(rs, &registration{sock: *sock})
		rl := listen(filepath.Join(*kubelet, "plugins_registry", driverName+"-reg.sock"))
		go func() { log.Fatal(rs.Serve(rl)) }()
	}
	log.Fatal(s.Serve(l))
}
