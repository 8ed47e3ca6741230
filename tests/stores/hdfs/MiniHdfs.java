import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** A namenode and a datanode in this process, on free ports of the loopback, until standard input ends. */
class MiniHdfs {
    public static void main(String[] arguments) throws Exception {
        Configuration conf = new HdfsConfiguration();
        conf.setBoolean("dfs.namenode.delegation.token.always-use", true);
        conf.setInt("dfs.ls.limit", 50); // long directories come in several answers
        try (MiniDFSCluster cluster = new MiniDFSCluster.Builder(conf, new File(arguments[0]))
                .numDataNodes(1).build()) {
            cluster.waitActive();
            System.out.println("rpc " + cluster.getNameNode().getNameNodeAddress().getPort());
            System.out.println("http " + cluster.getNameNode().getHttpAddress().getPort());
            System.out.flush();
            while (System.in.read() >= 0) {
                // stay
            }
        }
        System.exit(0);
    }
}
