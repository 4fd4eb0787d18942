# The node of a cluster: it has its own namespaces, which disappear with all their processes once standard input is
# closed, either on purpose or because the process that started the node has ended.
#
#     node.sh STATE TOOLS NAME
#
# Prints `ready` once the namespaces exist. At the end it removes the directory STATE and the control groups called
# NAME. Nothing else of the node is outside of the namespaces.
set -euo pipefail
state=$1 tools=$2 name=$3

if [ "${4:-}" = inside ]; then
  # Otherwise `mount` would record each mount in the machine's /run, and leave the record there.
  mount() { command mount --no-mtab "$@"; }
  mount --make-rshared /
  mkdir "$state/run"
  mount -t tmpfs tmpfs "$state/run"
  mkdir "$state/run/state" "$state/run/tools"
  mount --bind "$state" "$state/run/state"
  mount --bind "$tools" "$state/run/tools"
  mount --rbind "$state/run" /run
  # The kubelet and CNI use these paths by name.
  mount -t tmpfs tmpfs /var/lib
  mount -t tmpfs tmpfs /var/log
  mkdir /run/state/kubelet /var/lib/kubelet
  mount --bind /run/state/kubelet /var/lib/kubelet
  # The kubelet would set these for the whole machine, so it sets them in files of this node instead.
  mkdir /run/sysctl
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl/$(basename "${setting%=*}")
    echo "${setting#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
  ip link set lo up
  # A bridge without an address of its own uses that of its lowest port. This can change with each pod that comes or
  # goes, and packets are lost until the others notice.
  ip link add cni0 address 02:00:0a:63:00:01 type bridge
  ip address add 10.99.0.1/24 dev cni0
  ip link set cni0 up
  echo ready
  # The shell is the first process in here, so it reaps orphans.
  exec 3<&0
  cat <&3 > /dev/null &
  wait $!
  exit
fi

remove() {
  for group in /sys/fs/cgroup/*/"$name"; do
    [ -d "$group" ] || continue
    for _ in $(seq 200); do
      find "$group" -depth -type d -exec rmdir {} + 2> /dev/null && break
      sleep 0.05 # until the kernel has ended what was in it
    done
  done
  rm -rf --one-file-system "$state"
}
trap remove EXIT
for controller in blkio cpu cpuacct cpuset devices freezer memory pids systemd; do
  mkdir "/sys/fs/cgroup/$controller/$name"
done
for resource in cpus mems; do
  cat "/sys/fs/cgroup/cpuset/cpuset.$resource" > "/sys/fs/cgroup/cpuset/$name/cpuset.$resource"
done
unshare --mount --net --pid --fork --kill-child --mount-proc bash "$0" "$state" "$tools" "$name" inside
