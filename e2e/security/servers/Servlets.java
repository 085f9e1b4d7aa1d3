// Tomcat with a servlet for each of two paths, over HTTP/1.1 and HTTP/2 on one port: Servlets FOLDER PORT
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.coyote.http2.Http2Protocol;

public class Servlets {
    /** Says that it was asked, and what it read. */
    static class Says extends HttpServlet {
        private final String area;

        Says(String area) {
            this.area = area;
        }

        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) {
            if (area.isEmpty()) {
                response.setStatus(404);
            } else {
                response.setHeader("x-served", area);
            }
            String read = request.getHeader("x-group");
            if (read != null) {
                response.setHeader("x-read", URLEncoder.encode(read, StandardCharsets.UTF_8).replace("+", "%20"));
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[0]);
        Connector connector = new Connector();
        connector.setPort(Integer.parseInt(arguments[1]));
        // What an administrator may switch on, and reads more forms as one path.
        connector.setEncodedSolidusHandling("decode");
        connector.setAllowBackslash(true);
        connector.addUpgradeProtocol(new Http2Protocol());
        tomcat.setConnector(connector);
        Context context = tomcat.addContext("", null);
        for (String area : new String[] {"admin", "public", ""}) {
            Tomcat.addServlet(context, area.isEmpty() ? "other" : area, new Says(area));
        }
        context.addServletMappingDecoded("/admin/*", "admin");
        context.addServletMappingDecoded("/public/*", "public");
        context.addServletMappingDecoded("/", "other");
        tomcat.start();
        tomcat.getServer().await();
    }
}
